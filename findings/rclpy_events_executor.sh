#!/usr/bin/env bash
# rclpy's EventsExecutor, in the wheels of two distributions, fails on valid callbacks that every other executor takes.
#
# Guess: an executor is interchangeable: what SingleThreadedExecutor calls, rclpy.experimental.EventsExecutor calls, too.
# Seen with ros-rclpy 7.1.6 (jazzy) and 9.1.2 (kilted) from PyPI, Linux x86_64, one message each, loopback only:
#   - a subscription whose callback takes the message info (message, info): SingleThreadedExecutor calls it,
#     EventsExecutor raises SystemError ("null argument to internal routine") out of spin.
#   - a node with a guard condition: EventsExecutor raises RuntimeError (guard conditions are not supported).
# So a node that reads a message's time of receipt, or is woken from another thread, cannot use it.
set -euo pipefail
python=${PYTHON:-python3}
unset LD_LIBRARY_PATH PYTHONPATH AMENT_PREFIX_PATH _ROS_WHEELS_BOOTSTRAP_COMPLETE
export ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST ROS_LOCALHOST_ONLY=1 ROS_DOMAIN_ID=${ROS_DOMAIN_ID:-83}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/spin.py" <<'PY'
import os
import sys
import time

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.experimental import EventsExecutor
from std_msgs.msg import String

name, part = sys.argv[1:]
rclpy.init()
node = rclpy.create_node("probe")
received = []
if part == "info":
    node.create_subscription(String, "words", lambda message, info: received.append(info), 10)
    publisher = node.create_publisher(String, "words", 10)
    node.create_timer(0.1, lambda: publisher.publish(String(data="x")))
else:
    guard = node.create_guard_condition(lambda: received.append("triggered"))
    guard.trigger()
outcome = ""
try:
    executor = {"single": SingleThreadedExecutor, "events": EventsExecutor}[name]()
    executor.add_node(node)
    ends_s = time.monotonic() + 20
    while not received and time.monotonic() < ends_s:
        executor.spin_once(timeout_sec=0.1)
except (SystemError, RuntimeError) as error:
    outcome = type(error).__name__
print(outcome or ("called" if received else "silent"), flush=True)
os._exit(0)
PY

check() {
    "$python" -m venv "$work/$1"
    "$work/$1/bin/python" -m pip install --quiet "ros-rclpy[fastrtps]==$2" "ros-std-msgs==$3"
    echo "rclpy $2 ($1)"
    for case in "single info called" "events info SystemError" "single guard called" "events guard RuntimeError"; do
        read -r executor part expected <<<"$case"
        found=$("$work/$1/bin/python" "$work/spin.py" "$executor" "$part" 2>/dev/null | tail -n 1)
        echo "  $executor, $part: $found"
        [ "$found" = "$expected" ]
    done
}

check jazzy 7.1.6 5.3.6
check kilted 9.1.2 5.5.1
