#!/usr/bin/env bash
# mcap-ros2-support's writer shortens a bounded sequence without a word, and leaves a bounded string too long.
#
# Guess: a value that is longer than its message type allows (`uint8[<=4]`, `string<=5`) is refused by the writer, as a
#   ROS 2 serializer refuses it.
# Seen with mcap-ros2-support 0.6.0 (mcap 1.6.0):
#   - six bytes in a `uint8[<=4]` are written as the first four, with no error;
#   - seven characters in a `string<=5` are all written, with no error, and rosbags 0.11.9 reads them back;
#   - a field of type `wstring` raises NotImplementedError.
# So bounds must be checked before a message is written.
set -euo pipefail
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet 'mcap==1.6.0' 'mcap-ros2-support==0.6.0' 'rosbags==0.11.9'
cd "$work"
"$work/venv/bin/python" - <<'PY'
from pathlib import Path

from mcap_ros2.reader import read_ros2_messages
from mcap_ros2.writer import Writer
from rosbags.highlevel import AnyReader

DEFINITION = "string<=5 text\nuint8[<=4] bytes\n"


def write(path, definition, message):
    with open(path, "wb") as file:
        writer = Writer(file)
        schema = writer.register_msgdef("example/msg/Bounded", definition)
        try:
            writer.write_message("/m", schema, message, log_time=1, publish_time=1, sequence=0)
        finally:
            writer.finish()


write("bounded.mcap", DEFINITION, {"text": "toolong", "bytes": [1, 2, 3, 4, 5, 6]})
(found,) = [each.ros_msg for each in read_ros2_messages("bounded.mcap")]
print("mcap_ros2 reads text", repr(found.text), "bytes", list(found.bytes))
assert found.text == "toolong"
assert list(found.bytes) == [1, 2, 3, 4]

with AnyReader([Path("bounded.mcap")]) as reader:
    ((connection, _, raw),) = reader.messages()
    other = reader.deserialize(raw, connection.msgtype)
print("rosbags reads text", repr(other.text), "bytes", other.bytes.tolist())
assert other.text == "toolong" and other.bytes.tolist() == [1, 2, 3, 4]

try:
    write("wide.mcap", "wstring text\n", {"text": "hi"})
except NotImplementedError as error:
    print("wstring:", error)
else:
    raise AssertionError("wstring is written now")
PY
