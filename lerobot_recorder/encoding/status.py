"""What an encoder publishes of itself."""

from __future__ import annotations

from dataclasses import dataclass

LISTED = 10
"""Committed episodes that a status lists; it is published twice a second, so it must not grow for ever."""


@dataclass(frozen=True)
class CommittedEpisode:
    """An episode that is now in the dataset.

    Attributes:
        episode_id: as in the spool.
        episode_index: as in the dataset.
        frames: rows.
        encode_s: seconds from the first of its cameras' start to the last one's end; 0 where an earlier
            attempt has encoded it.
        size_bytes: of its videos; 0 where an earlier attempt has encoded them.
    """

    episode_id: str
    episode_index: int
    frames: int
    encode_s: float = 0.0
    size_bytes: int = 0


@dataclass(frozen=True)
class EncoderStatus:
    """Snapshot of the encoder's state.

    Attributes:
        state: `idle`, `encoding`, `committing`, `paused` or `ended`.
        batch_size: episodes that must wait before encoding begins.
        waiting: episodes that wait in the spool.
        waiting_s: their seconds.
        waiting_bytes: the disk they hold, in bytes.
        eta_s: seconds until all is encoded at the present speed; None when that is unknown.
        episodes: episodes in the present batch.
        frames_done: video frames of the present batch that are encoded, of all cameras.
        frames: video frames of the present batch.
        committed: the last episodes that this encoder has added to the dataset, at most `LISTED`.
        committed_total: number of all episodes that it has added.
        failed: episodes that it has moved to `failed/` and that are still there.
        retryable: episodes in `failed/`, those of earlier runs included.
        message: what is wrong, empty when nothing is.
        warning: what the user should know although encoding goes on.
    """

    state: str = "idle"
    batch_size: int = 1
    waiting: int = 0
    waiting_s: float = 0.0
    waiting_bytes: int = 0
    eta_s: float | None = None
    episodes: int = 0
    frames_done: int = 0
    frames: int = 0
    committed: tuple[CommittedEpisode, ...] = ()
    committed_total: int = 0
    failed: int = 0
    retryable: int = 0
    message: str = ""
    warning: str = ""
