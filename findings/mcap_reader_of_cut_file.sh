#!/usr/bin/env bash
# What the Python MCAP reader gives of a file that was cut in the middle depends on the order that is asked for.
#
# Guess: reading a recording that was cut off (a recorder that lost power) yields every message before the cut, then
#   raises `EndOfFile`, a subclass of `McapError`.
# Seen with mcap 1.6.0, on a file of 2,000 messages in small chunks, cut at half of its length:
#   - NonSeekingReader yields about half of the messages with log_time_order=False, and then raises `struct.error`
#     ("unpack requires a buffer of 8 bytes"), which no `except McapError` catches.
#   - With log_time_order=True, the default, it yields none of them, as it collects everything before it sorts.
#   - make_reader on a seekable file, and so mcap_ros2.reader.read_ros2_messages (0.6.0), yields none either.
# So whoever saves what is left of a cut file must ask for log_time_order=False and catch struct.error.
set -euo pipefail
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet 'mcap==1.6.0' 'mcap-ros2-support==0.6.0'
cd "$work"
"$work/venv/bin/python" - <<'PY'
import struct
from pathlib import Path

from mcap.exceptions import EndOfFile, McapError
from mcap.reader import NonSeekingReader, make_reader
from mcap_ros2.reader import read_ros2_messages
from mcap_ros2.writer import Writer

with open("whole.mcap", "wb") as file:
    writer = Writer(file, chunk_size=4096)
    schema = writer.register_msgdef("std_msgs/msg/Float64", "float64 data\n")
    for i in range(2000):
        writer.write_message("/x", schema, {"data": float(i)}, log_time=i * 1000, publish_time=i * 1000, sequence=i)
    writer.finish()
whole = Path("whole.mcap").read_bytes()
Path("cut.mcap").write_bytes(whole[: len(whole) // 2])


def count(messages):
    """Return how many messages come before the error, and the error."""
    found = 0
    try:
        for _ in messages:
            found += 1
    except Exception as error:
        return found, error
    return found, None


def read(path, in_order):
    with open(path, "rb") as file:
        return count(NonSeekingReader(file).iter_messages(log_time_order=in_order))


assert read("whole.mcap", True) == (2000, None)
unsorted, error = read("cut.mcap", False)
print("log_time_order=False:", unsorted, "messages, then", repr(error))
assert 900 < unsorted < 1200
assert isinstance(error, struct.error) and not isinstance(error, McapError)

in_order, error = read("cut.mcap", True)
print("log_time_order=True:", in_order, "messages, then", repr(error))
assert in_order == 0 and isinstance(error, struct.error)

with open("cut.mcap", "rb") as file:
    seeking, error = count(make_reader(file).iter_messages())
print("make_reader:", seeking, "messages, then", repr(error))
assert seeking == 0 and isinstance(error, EndOfFile)

ros2, error = count(read_ros2_messages("cut.mcap"))
print("read_ros2_messages:", ros2, "messages, then", repr(error))
assert ros2 == 0 and isinstance(error, EndOfFile)
PY
