#!/usr/bin/env bash
# rosbags gives no message of a topic whose QoS in metadata.yaml is written otherwise than in the storage file.
#
# Guess: the messages of a topic are found by its name and type; the QoS of publishers does not matter.
# Seen with rosbags 0.11.9: a bag of 10 messages, whose metadata.yaml has no offered_qos_profiles (as that of version 3
#   and older) while the storage file has, opens, reports 10 messages, and yields none, without an error. In the test
#   resources of ros2/rosbag2, mcap/talker and mcap/convert_a are such bags: 0 of 20, and 0 of 150 messages.
# So metadata and storage must not be joined by their QoS.
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
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

TYPE = "std_msgs/msg/Float64"
never = QosTime(9223372036, 854775807)
qos = Qos(QosHistory.KEEP_LAST, 10, QosReliability.RELIABLE, QosDurability.VOLATILE, never, never,
          QosLiveliness.AUTOMATIC, never, False)
types = get_typestore(Stores.ROS2_JAZZY)
with Writer("bag", version=8, storage_plugin=StoragePlugin.MCAP) as writer:
    topic = writer.add_connection("/x", TYPE, typestore=types, offered_qos_profiles=[qos])
    for i in range(10):
        writer.write(topic, i, types.serialize_cdr(types.types[TYPE](float(i)), TYPE))


def count():
    with Reader("bag") as reader:
        return reader.message_count, sum(1 for _ in reader.messages())


print("written:", count())
assert count() == (10, 10)
metadata = Path("bag/metadata.yaml")
document = yaml.safe_load(metadata.read_text())
for each in document["rosbag2_bagfile_information"]["topics_with_message_count"]:
    del each["topic_metadata"]["offered_qos_profiles"]
metadata.write_text(yaml.safe_dump(document))
print("without offered_qos_profiles in metadata.yaml:", count())
assert count() == (10, 0)
PY
