"""Saves take after take until it is killed, and prints which: ROOT FORMAT..."""

from __future__ import annotations

import sys
from pathlib import Path

from takes import a_header, a_take

from lerobot_recorder.spool import Spool, TakeFiles


def main() -> None:
    spool, formats = Spool(Path(sys.argv[1])), sys.argv[2:]
    print("recording", flush=True)
    prepared = None
    while True:
        take = a_take(spool, *formats, length=12, prepared=prepared)
        prepared = TakeFiles(spool, a_header(*formats).cameras)
        print(take.save().episode_id, flush=True)


if __name__ == "__main__":
    main()
