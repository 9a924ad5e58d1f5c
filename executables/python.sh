# Sets python to the interpreter of a node: the one that the package was installed with, as in the first line of
# lerobot-recorder, else python3 on PATH. An active environment of another project lacks what the nodes need.
needed='
import sys
from importlib.util import find_spec
missing = [name for name in ("rclpy", "av", "pyarrow", "cv2") if find_spec(name) is None]
print(*missing)
sys.exit(bool(missing))'
# A path that is too long for the first line, or has spaces, is in the second one: '''exec' "/a path/python" "$0" "$@"
installer=$(sed -n -e "1s|^#! *\(/.*python[^ ]*\)$|\1|p" -e "2s|^'''exec' \"*\(/[^\"]*python[^ \"]*\)\"* .*|\1|p" \
    "$(dirname "$0")/../../bin/lerobot-recorder" 2>/dev/null)

tried=
for python in "$installer" "$(command -v python3)"; do
    [ -x "$python" ] || continue
    missing=$("$python" -c "$needed" 2>/dev/null) && return
    tried="$tried $python lacks ${missing:-what it needs to start};"
done
echo "error: no Python for $(basename "$0"):$tried source the setup file of ROS 2, or build this package with a" \
    "Python that has all of them: see Install in the README" >&2
exit 1
