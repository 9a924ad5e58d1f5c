"""Saves take after take until it is killed, and prints which: ROOT FORMAT..."""

from __future__ import annotations

import sys
from pathlib import Path

from takes import a_take

from lerobot_recorder.spool import Spool


def main() -> None:
    spool, formats = Spool(Path(sys.argv[1])), sys.argv[2:]
    print("recording", flush=True)
    while True:
        episode = a_take(spool, *formats, length=12).save()
        print(episode.episode_id, flush=True)


if __name__ == "__main__":
    main()
