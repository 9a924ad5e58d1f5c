"""Commits the episodes in a spool of plain files, as an encoder does; prints each one before its commit.

Arguments: the dataset's directory, the directory of videos, the number of episodes.
"""

from __future__ import annotations

import sys
from pathlib import Path

from encoded import LineFiles, commit, encoded_episode

from lerobot_recorder.dataset import DatasetWriter


def main(root: Path, spool: Path, number: int) -> None:
    def forget(names: list[str]) -> None:
        for name in names:
            (spool / name).unlink(missing_ok=True)

    takes = [encoded_episode(spool / "videos", k, 5) for k in range(number)]
    writer = DatasetWriter(root, LineFiles(), forget=forget)
    writer.recover()
    for take in takes:
        if (spool / take.episode_id).exists():
            print(take.episode_id, flush=True)
            commit(writer, [take])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
