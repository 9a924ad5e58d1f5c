#!/usr/bin/env bash
# rosbags yields the files of a split bag one after the other, so messages run back in time where they overlap.
#
# Guess: messages come by their time, as within one file, and as AnyReader merges several bags.
# Seen with rosbags 0.11.9: of a split bag whose second file starts before the first one ends (files that were merged,
#   or a recorder with a cache that is written late), Reader and AnyReader yield all of the first file, then all of the
#   second.
# So whoever needs the order of time must merge the files of a bag.
set -euo pipefail
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet 'rosbags==0.11.9' PyYAML
cd "$work"
"$work/venv/bin/python" - <<'PY'
from pathlib import Path

import yaml
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

TYPE = "std_msgs/msg/Float64"
types = get_typestore(Stores.ROS2_JAZZY)


def write(name, stamps):
    with Writer(name, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        topic = writer.add_connection("/x", TYPE, typestore=types)
        for stamp in stamps:
            writer.write(topic, stamp, types.serialize_cdr(types.types[TYPE](0.0), TYPE))


write("bag_0", [1, 3, 5])
write("bag_1", [2, 4, 6])
Path("bag_1/bag_1.mcap").rename("bag_0/bag_1.mcap")
metadata = Path("bag_0/metadata.yaml")
document = yaml.safe_load(metadata.read_text())
document["rosbag2_bagfile_information"]["relative_file_paths"] = ["bag_0.mcap", "bag_1.mcap"]
metadata.write_text(yaml.safe_dump(document))
with AnyReader([Path("bag_0")]) as reader:
    stamps = [stamp for _, stamp, _ in reader.messages()]
print(stamps)
assert stamps == [1, 3, 5, 2, 4, 6]
PY
