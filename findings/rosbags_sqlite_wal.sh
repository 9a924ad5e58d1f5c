#!/usr/bin/env bash
# rosbags does not see what is in the write-ahead log of an sqlite3 bag.
#
# Guess: a bag recorded with `--storage-preset-profile resilient` (journal_mode=WAL), whose recorder was killed, gives
#   the messages that were committed, as SQLite does.
# Seen with rosbags 0.11.9: it opens files with `immutable=1`, for which SQLite ignores `-wal` and `-journal`. Of 20
#   committed messages, 10 of which are in the log, it yields 10, without an error.
# So such a file must be opened with `mode=ro`, or copied together with its log.
set -euo pipefail
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet 'rosbags==0.11.9'
cd "$work"
"$work/venv/bin/python" - <<'PY'
import os
import sqlite3

from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

TYPE = "std_msgs/msg/Float64"
types = get_typestore(Stores.ROS2_JAZZY)
with Writer("bag", version=8, storage_plugin=StoragePlugin.SQLITE3) as writer:
    topic = writer.add_connection("/x", TYPE, typestore=types)
    for i in range(10):
        writer.write(topic, i, types.serialize_cdr(types.types[TYPE](float(i)), TYPE))

if (recorder := os.fork()) == 0:  # records ten more, and is killed
    file = sqlite3.connect("bag/bag.db3")
    file.execute("PRAGMA journal_mode=WAL")
    file.execute("INSERT INTO messages (topic_id, timestamp, data) SELECT topic_id, timestamp + 10, data FROM messages")
    file.commit()
    os.kill(os.getpid(), 9)
os.waitpid(recorder, 0)

with Reader("bag/bag.db3") as reader:
    seen = sum(1 for _ in reader.messages())
(committed,) = sqlite3.connect("file:bag/bag.db3?mode=ro", uri=True).execute("SELECT count(*) FROM messages").fetchone()
print("rosbags:", seen, "SQLite:", committed)
assert (seen, committed) == (10, 20)
PY
