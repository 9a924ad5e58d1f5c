#!/usr/bin/env bash
# One topic whose definition rosbags does not understand makes the whole bag unreadable.
#
# Guess: rosbags' AnyReader opens every bag that rosbag2 records, and fails at most for the topics that it cannot decode.
# Seen with rosbags 0.11.9, MCAP files with a Float64 topic beside each of these, which rosbag2 writes:
#   - the calls of a service (`/name/_service_event`, type `pkg/srv/Name_Event`; its definition is that of the service,
#     with `---`): AnyReaderError "Could not parse";
#   - a definition in the format `ros2idl` with the line `#include "..."` that generated .idl files have, and the example
#     in rosbag2's docs/message_definition_encoding.md: AnyReaderError "Could not parse";
#   - a type whose definition the recorder did not find, which has the format `unknown`: KeyError.
# So messages must be decoded with a type store of each topic, and preprocessor lines be removed before.
set -euo pipefail
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet 'rosbags==0.11.9' 'mcap==1.6.0'
cd "$work"
"$work/venv/bin/python" - <<'PY'
from pathlib import Path

from mcap.writer import Writer
from rosbags.highlevel import AnyReader

IDL = "=" * 80 + """
IDL: example/msg/Grip
#include "std_msgs/msg/Header.idl"
module example { module msg { struct Grip { double force; }; }; };
"""
OTHERS = {
    "nothing": None,
    "service": ("example/srv/Add_Event", "ros2msg", "int64 a\nint64 b\n---\nint64 sum\n"),
    "idl": ("example/msg/Grip", "ros2idl", IDL),
    "unknown": ("example/msg/Lost", "unknown", ""),
}


def write(path, other):
    with open(path, "wb") as file:
        writer = Writer(file)
        writer.start("ros2", "example")
        schema = writer.register_schema("std_msgs/msg/Float64", "ros2msg", b"float64 data\n")
        channel = writer.register_channel("/x", "cdr", schema)
        writer.add_message(channel, 1, bytes([0, 1, 0, 0]) + bytes(8), 1)
        if other:
            name, encoding, text = other
            writer.register_channel("/other", "cdr", writer.register_schema(name, encoding, text.encode()))
        writer.finish()


def read(path):
    try:
        with AnyReader([Path(path)]) as reader:
            return [reader.deserialize(raw, connection.msgtype).data for connection, _, raw in reader.messages()]
    except Exception as error:
        return type(error).__name__


for name, other in OTHERS.items():
    write(f"{name}.mcap", other)
found = {name: read(f"{name}.mcap") for name in OTHERS}
print(found)
assert found == {"nothing": [0.0], "service": "AnyReaderError", "idl": "AnyReaderError", "unknown": "KeyError"}
PY
