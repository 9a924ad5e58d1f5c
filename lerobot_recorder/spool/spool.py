"""The spool of one dataset, with everything that a recorder, an encoder and an operator do with it."""

from __future__ import annotations

from lerobot_recorder.spool.claims import EncoderMoves
from lerobot_recorder.spool.commands import OperatorMoves
from lerobot_recorder.spool.episode import SpooledEpisode
from lerobot_recorder.spool.restart import put_in_order


class Spool(EncoderMoves, OperatorMoves):
    """The spool beside a dataset.

    Several processes may use it at the same time. A move is a rename under a lock; a claim is a lock, too.
    A process that dies releases its locks. All calls touch the disk.
    """

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def recover(self, *, cut_short: bool = True) -> list[SpooledEpisode]:
        """Clean up what dead processes left behind; do not touch what a live process holds.

        Finish an interrupted commit first, or its episodes are encoded again.
        A claimed episode goes back to ``ready/``. An interrupted take is cut to its last whole row and moved
        to ``rejected/``; a take that had been saved completely goes where it was going. Of an episode that a
        power cut left in two states one copy stays. Interrupted removals are finished.

        Args:
            cut_short: whether to recover interrupted takes. An encoder leaves them to the next recorder,
                which reports them.

        Returns:
            The takes that are now in ``rejected/``.

        Raises:
            LockError: another process keeps a lock for too long.
        """
        return put_in_order(self, cut_short=cut_short) if self.path.is_dir() else []
