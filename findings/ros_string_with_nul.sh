#!/usr/bin/env bash
# A ROS 2 string ends at its first NUL character on the way, in std_msgs/String and in joint names alike.
#
# Guess: rclpy refuses a string with a NUL character in it, or carries it whole: CDR notes a string's length.
# Seen with ros-rclpy 9.1.2 (kilted) and 7.1.6 (jazzy) from PyPI, Linux x86_64:
#   - String(data="a\0b") is accepted and arrives as "a"; JointState(name=["a\0b", "c"]) arrives as ["a", "c"].
#   - A lone surrogate raises UnicodeEncodeError, as one would expect.
# So text of unknown origin that is sent as JSON in a String must be escaped (json.dumps does: \u0000).
set -euo pipefail
python=${PYTHON:-python3}
unset LD_LIBRARY_PATH PYTHONPATH AMENT_PREFIX_PATH _ROS_WHEELS_BOOTSTRAP_COMPLETE
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

check() {
    "$python" -m venv "$work/$1"
    "$work/$1/bin/python" -m pip install --quiet "ros-rclpy[fastrtps]==$2" "ros-std-msgs==$3" "ros-sensor-msgs==$3"
    echo "rclpy $2 ($1)"
    "$work/$1/bin/python" - <<'PY'
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import JointState
from std_msgs.msg import String


def arrived(message):
    return deserialize_message(serialize_message(message), type(message))


text, names = arrived(String(data="a\0b")).data, arrived(JointState(name=["a\0b", "c"])).name
print("  String:", repr(text), " JointState.name:", names)
assert text == "a"
assert names == ["a", "c"]
try:
    serialize_message(String(data="\ud800"))
except UnicodeEncodeError as error:
    print("  lone surrogate:", type(error).__name__)
else:
    raise AssertionError("a lone surrogate is serialized")
PY
}

check jazzy 7.1.6 5.3.6
check kilted 9.1.2 5.5.1
