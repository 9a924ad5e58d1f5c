#!/usr/bin/env bash
# A new process starts with the peak memory of the process that started it, as ru_maxrss counts it.
#
# Guess: getrusage(RUSAGE_SELF).ru_maxrss in a program that was just started is its own largest memory.
# Seen with Linux 6.18, Python 3.13: a program that takes 11 MB, started by subprocess from one with
#   500 MB, reports 500 MB; execve keeps the counter. So a test that runs under a large pytest, and compares ru_maxrss
#   before and after, sees no growth up to pytest's own size.
# So the peak must be taken from VmHWM in /proc/self/status, which starts at 0 with the new program.
set -euo pipefail
python=${PYTHON:-python3}
"$python" - <<'PY'
import subprocess
import sys

CHILD = r"""
import re, resource
from pathlib import Path
peak = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[0]
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, int(peak) // 1024)
"""
ballast = b"x" * (500 << 20)
counted, own = map(int, subprocess.run([sys.executable, "-c", CHILD], capture_output=True, check=True).stdout.split())
print("ru_maxrss", counted, "MB; VmHWM", own, "MB")
assert counted >= 500 > 100 > own
PY
