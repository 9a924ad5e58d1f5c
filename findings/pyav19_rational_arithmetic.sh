#!/usr/bin/env bash
# PyAV 19's rationals are exact with a Fraction beside them, and rounded among themselves.
#
# Guess: `av.rational.AVRational` counts as a `numbers.Rational`, so it behaves like `Fraction`: sums and products are
#   exact, or raise when they do not fit into 32 bits; a float is converted exactly or refused; int(), abs() and round()
#   work.
# Seen with av 19.0.2, Python 3.12 or newer:
#   - AVRational(1_700_000_000, 1) + AVRational(1, 30), a start in seconds since 1970 and the time of a frame, equals
#     AVRational(1_700_000_000, 1): the frame's time is gone without a word. With a Fraction or an int on either side
#     the sum is exact. Constructing a value that does not fit raises OverflowError, computing one rounds it.
#   - AVRational(0.1) is AVRational(0, 1): the float is truncated. Fraction(0.1) and Decimal keep it.
#   - isinstance(x, numbers.Rational) holds, yet int(x), abs(x), round(x) and divmod(x, 1) raise TypeError.
# So a time that is added up step by step drifts where `Fraction` did not: convert to Fraction first.
set -euo pipefail
python=${PYTHON:-python3.12}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet 'av==19.0.2'
"$work/venv/bin/python" - <<'PY'
import numbers
from fractions import Fraction

import av
from av.rational import AVRational

print("av", av.__version__)
start, frame = AVRational(1_700_000_000, 1), AVRational(1, 30)
exact = Fraction(1_700_000_000) + Fraction(1, 30)
print("AVRational + AVRational:", start + frame)
print("AVRational + Fraction:  ", start + Fraction(1, 30))
print("int + AVRational:       ", 1_700_000_000 + frame)
assert start + frame == start
assert start + Fraction(1, 30) == 1_700_000_000 + frame == exact

try:
    AVRational(1, 2**31)
except OverflowError as error:
    print("AVRational(1, 2**31):", error)
else:
    raise AssertionError("a value that does not fit was accepted")

print("AVRational(0.1):", repr(AVRational(0.1)))
assert AVRational(0.1) == 0

assert isinstance(frame, numbers.Rational)
for name, call in {"int": int, "abs": abs, "round": round, "divmod": lambda x: divmod(x, 1)}.items():
    try:
        call(frame)
    except TypeError:
        print(f"{name}(): TypeError, although numbers.Rational has it")
    else:
        raise AssertionError(f"{name}() works now")
PY
