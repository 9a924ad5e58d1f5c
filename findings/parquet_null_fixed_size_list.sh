#!/usr/bin/env bash
# pyarrow 25 writes a null in a column of fixed-size lists without an error, and cannot read that file again.
#
# Guess: whatever write_table accepts, read_table of the same version returns.
# Seen with pyarrow 17.0.0, 25.0.1 and 26.0.1, a column of list<float32>[2] with one null among three rows:
#   17.0.0 refuses to write it (ArrowNotImplementedError: Lists with non-zero length null components),
#   25.0.1 writes it, and reading it raises ArrowInvalid: Expected all lists to be of size=2 but index 2 had size=0,
#   26.0.1 writes and reads it, and reads the file of 25.0.1, too.
# Vectors of a robot dataset are such columns: with one missing action the whole file cannot be read up to version 25.
set -euo pipefail
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/try.py" <<'PY'
import sys

import pyarrow as pa
import pyarrow.parquet as pq

path, write = sys.argv[1], sys.argv[2] == "write"
values = [[1.0, 2.0], None, [3.0, 4.0]]
try:
    if write:
        pq.write_table(pa.table({"action": pa.array(values, pa.list_(pa.float32(), 2))}), path)
    print("written" if write else pq.read_table(path)["action"].to_pylist() == values)
except pa.ArrowException as error:
    print(type(error).__name__, error)
PY
# expect VERSION write|read PATTERN [WRITTEN_BY]
expect() {
    found=$("$work/$1/bin/python" "$work/try.py" "$work/of_${4:-$1}.parquet" "$2")
    echo "pyarrow $1, $2${4:+ the file of $4}: $found"
    [[ $found == "$3"* ]]
}
for version in 17.0.0 25.0.1 26.0.1; do
    "$python" -m venv "$work/$version"
    "$work/$version/bin/python" -m pip install --quiet "pyarrow==$version" 'numpy<3'
done
expect 17.0.0 write 'ArrowNotImplementedError Lists with non-zero length null'
expect 25.0.1 write written
expect 25.0.1 read 'ArrowInvalid Expected all lists to be of size=2'
expect 26.0.1 write written
expect 26.0.1 read True
expect 26.0.1 read True 25.0.1
