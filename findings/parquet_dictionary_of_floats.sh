#!/usr/bin/env bash
# pyarrow's default dictionary encoding makes a file of distinct float32 vectors about half as large again.
#
# Guess: dictionary encoding is given up as soon as it does not pay, so that joint values take 4 bytes each, or a little
#   less after compression, with the default settings as without dictionaries.
# Seen with pyarrow 26.0.1: 72 row groups of 2,100 rows of six random float32 joints, snappy:
#   with the default use_dictionary=True the file is more than 1.4 times as large as with use_dictionary=False. The
#   dictionary of a small row group stays below its limit of 1 MiB, so every value is written to it and indexed besides.
# A dataset with a row group per episode has just such row groups.
set -euo pipefail
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet 'pyarrow==26.0.1' 'numpy==2.2.6'
"$work/venv/bin/python" - <<'PY'
import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

GROUPS, ROWS, JOINTS = 72, 2100, 6
random = np.random.default_rng(0)
values = random.normal(size=GROUPS * ROWS * JOINTS).astype(np.float32)
table = pa.table({"observation.state": pa.FixedSizeListArray.from_arrays(pa.array(values), JOINTS)})


def size(use_dictionary):
    file = io.BytesIO()
    pq.write_table(table, file, row_group_size=ROWS, use_dictionary=use_dictionary)
    return file.tell()


default, plain = size(True), size(False)
print("pyarrow", pa.__version__)
print(f"bytes per value: {default / values.size:.2f} by default, {plain / values.size:.2f} without dictionaries")
print(f"ratio {default / plain:.2f}")
assert default > 1.4 * plain
assert plain < 4.2 * values.size
PY
