# ROS 2 jazzy with lerobot_recorder, installed as "With ROS 2 from a distribution" in the README describes.
#
#   docker build --tag lerobot_recorder .
#   docker run --rm -it --network host --ipc host --device /dev/ttyACM0 --device /dev/video0 \
#       --volume "$PWD:/data" lerobot_recorder lerobot-recorder record --hardware sim --root /data/dataset --num-episodes 1
#
# --network and --ipc let the nodes exchange messages with ROS 2 outside the container.
FROM ros:jazzy-ros-base

SHELL ["/bin/bash", "-o", "pipefail", "-c"]
ENV DEBIAN_FRONTEND=noninteractive
WORKDIR /ws

# Dependencies first, so that a change of the source does not download them again.
COPY package.xml src/lerobot_recorder/
COPY constraints src/lerobot_recorder/constraints
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3-colcon-common-extensions python3-venv \
    && rosdep update --rosdistro jazzy \
    && rosdep install --from-paths src --ignore-src --default-yes --dependency-types exec \
    && rm -rf /var/lib/apt/lists/*
# hadolint ignore=DL3013,DL3042
RUN python3 -m venv --system-site-packages .venv \
    && touch .venv/COLCON_IGNORE \
    && .venv/bin/pip install --no-cache-dir -c src/lerobot_recorder/constraints/ubuntu-24.04.txt av pyarrow typer

COPY . src/lerobot_recorder
RUN . /opt/ros/jazzy/setup.bash && .venv/bin/python -m colcon build

# The base image's entry point sources ROS; this adds the workspace.
RUN printf '%s\n' '#!/bin/bash' '. /ws/install/setup.bash' 'exec "$@"' >/entrypoint.sh && chmod +x /entrypoint.sh
ENTRYPOINT ["/entrypoint.sh"]
CMD ["lerobot-recorder", "--help"]
