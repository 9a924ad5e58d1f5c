"""What the encoder node tells: its status and diagnostics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from lerobot_recorder.encoding import CommittedEpisode, EncoderStatus


def status_json(status: EncoderStatus) -> dict[str, Any]:
    """Return the status as it is published."""
    content = asdict(status)
    content["episodes"] = content.pop("committed")
    batch = {name: content.pop(name) for name in ("frames_done", "frames")}
    count = status.episodes
    content["encoding"] = {"episodes": count, **batch} if count else None
    content["committed"] = content.pop("committed_total")
    return content


def committed_json(episodes: Sequence[CommittedEpisode]) -> dict[str, Any]:
    """Return episodes that are in the dataset now, as the process that started the node gets them."""
    return {"episodes": [asdict(episode) for episode in episodes]}


def judged(status: EncoderStatus) -> tuple[int, str, dict[str, Any]]:
    """Return level, message and values for the diagnostics."""
    values = {
        "state": status.state,
        "waiting episodes": status.waiting,
        "waiting seconds": f"{status.waiting_s:.1f}",
        "waiting bytes": status.waiting_bytes,
        "seconds to clear": "unknown" if status.eta_s is None else f"{status.eta_s:.0f}",
        "committed": status.committed_total,
        "failed": status.failed,
        "in failed/": status.retryable,
    }
    if status.message:
        return 2, status.message, values
    if status.warning:
        return 1, status.warning, values
    if status.waiting > 2 * status.batch_size:
        return 1, f"falls behind: {status.waiting} episodes wait", values
    return 0, f"{status.state}, {status.waiting} episodes wait", values
