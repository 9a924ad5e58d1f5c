# make demo    records three episodes of the simulated arm into DATASET, and shows them
# make test    runs the tests
# make chaos   records in trouble for about three minutes, and looks whether anything is lost
# .ci/run      lint and all tests, as before every change
#
# PYTHON chooses the Python of .venv (3.10 to 3.13), PYTEST_ARGS what pytest runs, CHAOS_ARGS how long chaos lasts.

VENV := .venv
VENV_JAZZY := .venv-jazzy
VENV_LEROBOT := .venv-lerobot
DATASET ?= demo/dataset
PYTEST_ARGS ?=
CHAOS_ARGS ?= --rounds 7 --round-s 12 --seed 1

JAZZY_MESSAGES := diagnostic-msgs geometry-msgs sensor-msgs std-msgs std-srvs trajectory-msgs
OURS := -e '.[ros,test,dev]'
# With the last PyAV before 19, so that both generations of its video codecs are tested.
JAZZY := -e '.[ros,test]' 'av==18.1.0' 'ros-rclpy[fastrtps]==7.1.6' $(JAZZY_MESSAGES:%=ros-%==5.3.6)
LEROBOT := 'lerobot[dataset,feetech]==0.6.1' lerobot-doctor

# Of another Python's environment, or of a sourced ROS installation: never for ours.
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME LD_LIBRARY_PATH AMENT_PREFIX_PATH _ROS_WHEELS_BOOTSTRAP_COMPLETE
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: venv lint test test-jazzy test-lerobot test-with-lerobot chaos demo clean
.DELETE_ON_ERROR:

venv: $(VENV)/installed

# $(call install,directory,python,requirements)
define install
@echo "Setting up $(1): downloads a few hundred MB the first time."
@python='$(2)'; $${python:-false} -m venv $(1)
@$(1)/bin/python -m pip install --quiet $(3)
@touch $(1)/installed
endef

$(VENV)/installed: setup.py setup.cfg
	$(call install,$(VENV),$(or $(PYTHON),$(shell .ci/find-python 10 13)),$(OURS))

$(VENV_JAZZY)/installed: setup.py setup.cfg
	$(call install,$(VENV_JAZZY),$(or $(PYTHON),$(shell .ci/find-python 10 13)),$(JAZZY))

$(VENV_LEROBOT)/installed:
	$(call install,$(VENV_LEROBOT),$(shell .ci/find-python 12 13),$(LEROBOT))

lint: $(VENV)/installed
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

test: $(VENV)/installed
	$(VENV)/bin/python -m pytest --ignore=test/lerobot $(PYTEST_ARGS)

test-jazzy: $(VENV_JAZZY)/installed
	$(VENV_JAZZY)/bin/python -m pytest test/nodes test/video test/encoding/test_pictures.py $(PYTEST_ARGS)

test-lerobot:
	@if [ -n "$$CI" ] || .ci/find-python 12 13 >/dev/null 2>&1; then \
		$(MAKE) --no-print-directory test-with-lerobot; \
	else \
		echo "Skipped: LeRobot needs Python 3.12 or 3.13, and there is none on PATH or under pyenv."; \
	fi

test-with-lerobot: $(VENV)/installed $(VENV_LEROBOT)/installed
	LEROBOT_PYTHON=$(CURDIR)/$(VENV_LEROBOT)/bin/python $(VENV)/bin/python -m pytest test/lerobot $(PYTEST_ARGS)

chaos: $(VENV)/installed
	$(VENV)/bin/python benchmarks/chaos.py $(CHAOS_ARGS)

demo: $(VENV)/installed
	@$(VENV)/bin/lerobot-recorder record --hardware sim --root '$(DATASET)' \
		--num-episodes 3 --episode-time-s 5 --reset-time-s 0 --video-encoding-batch-size 2 \
		--task 'Pick up the cube and put it on the plate'

clean:
	rm -rf $(VENV) $(VENV_JAZZY) $(VENV_LEROBOT) build install log *.egg-info .*_cache .hypothesis
	find lerobot_recorder test -name __pycache__ -type d -prune -exec rm -rf {} +
