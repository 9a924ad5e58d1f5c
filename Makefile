# make demo      records three episodes of the simulated arm into DATASET, and draws a contact sheet
# make test      runs the tests
# make coverage  runs the tests and reports which lines they reach
# make docs      builds the documentation with the API reference into build/docs
# make docs-parameters  writes docs/parameters.md from the settings classes
# make chaos     records for some minutes while nodes and disks fail, and verifies that nothing is lost
# .ci/run        lint and all tests, as before every change
#
# PYTHON chooses the Python of .venv (3.10 to 3.13), PYTEST_ARGS what pytest runs, CHAOS_ARGS how long chaos lasts.

VENV := .venv
VENV_JAZZY := .venv-jazzy
VENV_LEROBOT := .venv-lerobot
VENV_LOWEST := .venv-lowest
DATASET ?= demo/dataset
PYTEST_ARGS ?=
CHAOS_ARGS ?= --rounds 7 --round-s 12 --seed 1

JAZZY_MESSAGES := diagnostic-msgs geometry-msgs sensor-msgs std-msgs std-srvs trajectory-msgs
OURS := -e '.[demo,ros,test,dev,docs]'
# NumPy and OpenCV of Ubuntu 24.04, which jazzy is for, and the last pyarrow for that NumPy; also the last PyAV before 19,
# so that both generations of its video codecs are tested.
JAZZY := -e '.[ros,test]' av==18.1.0 numpy==1.26.4 opencv-python-headless==4.6.0.66 pyarrow==25.0.1 \
	'ros-rclpy[fastrtps]==7.1.6' $(JAZZY_MESSAGES:%=ros-%==5.3.6)
LEROBOT := 'lerobot[dataset,feetech]==0.6.1' lerobot-doctor

# Variables of another Python environment or a sourced ROS installation must not reach ours.
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME LD_LIBRARY_PATH AMENT_PREFIX_PATH _ROS_WHEELS_BOOTSTRAP_COMPLETE
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# Tests that need neither ROS nor many minutes: files, video and the command line.
TESTS_LOWEST := test/cli test/dashboard test/dataset test/docs test/encoding/test_changes.py test/recording test/sharing test/spool \
	test/video test/test_*.py

.PHONY: venv lint test test-jazzy test-lowest test-lerobot test-with-lerobot chaos coverage docs docs-parameters demo clean
.DELETE_ON_ERROR:

venv: $(VENV)/installed

$(VENV)/installed: setup.py setup.cfg constraints/newest.txt
	@.ci/check-ros-wheels
	@.ci/make-venv $(VENV) '$(or $(PYTHON),$(shell .ci/find-python 10 13))' -c constraints/newest.txt $(OURS)

$(VENV_JAZZY)/installed: setup.py setup.cfg
	@.ci/check-ros-wheels
	@.ci/make-venv $(VENV_JAZZY) '$(shell .ci/find-python 10 12)' $(JAZZY)

$(VENV_LOWEST)/installed: setup.py setup.cfg constraints/lowest.txt
	@.ci/make-venv $(VENV_LOWEST) "$$(.ci/find-python 10 10 2>/dev/null || .ci/find-python 11 12)" \
		-c constraints/lowest.txt -e '.[test]'

$(VENV_LEROBOT)/installed:
	@.ci/make-venv $(VENV_LEROBOT) '$(shell .ci/find-python 12 13)' $(LEROBOT)

lint: $(VENV)/installed
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

test: $(VENV)/installed
	$(VENV)/bin/python -m pytest --ignore=test/lerobot $(PYTEST_ARGS)

test-jazzy: $(VENV_JAZZY)/installed
	$(VENV_JAZZY)/bin/python -m pytest test/nodes test/topics test/video test/encoding/test_pictures.py $(PYTEST_ARGS)

# Old dependencies warn of each other, which is no error.
test-lowest: $(VENV_LOWEST)/installed
	$(VENV_LOWEST)/bin/python -m pytest -W default $(TESTS_LOWEST) $(PYTEST_ARGS)

test-lerobot:
	@if [ -n "$$CI" ] || .ci/find-python 12 13 >/dev/null 2>&1; then \
		$(MAKE) --no-print-directory test-with-lerobot; \
	else \
		echo "Skipped: LeRobot needs Python 3.12 or 3.13, and none was found on PATH or under pyenv."; \
	fi

test-with-lerobot: $(VENV)/installed $(VENV_LEROBOT)/installed
	LEROBOT_PYTHON=$(CURDIR)/$(VENV_LEROBOT)/bin/python $(VENV)/bin/python -m pytest test/lerobot $(PYTEST_ARGS)

chaos: $(VENV)/installed
	$(VENV)/bin/python benchmarks/chaos.py $(CHAOS_ARGS)

coverage: $(VENV)/installed
	$(VENV)/bin/coverage erase
	-$(VENV)/bin/coverage run -m pytest --ignore=test/lerobot $(PYTEST_ARGS)
	$(VENV)/bin/coverage combine --quiet
	$(VENV)/bin/coverage html --quiet
	$(VENV)/bin/coverage report --skip-covered

docs-parameters: $(VENV)/installed
	$(VENV)/bin/python docs/parameters.py

docs: $(VENV)/installed
	$(VENV)/bin/sphinx-build -E --quiet --fail-on-warning --keep-going docs build/docs

demo: $(VENV)/installed
	@$(VENV)/bin/lerobot-recorder record --hardware sim --root '$(DATASET)' \
		--num-episodes 3 --episode-time-s 5 --reset-time-s 0 --video-encoding-batch-size 2 \
		--task 'Pick up the cube and put it on the plate'

clean:
	rm -rf $(VENV) $(VENV_JAZZY) $(VENV_LEROBOT) $(VENV_LOWEST) build install log *.egg-info .*_cache .hypothesis
	rm -rf docs/api htmlcov .coverage*
	find lerobot_recorder test -name __pycache__ -type d -prune -exec rm -rf {} +
