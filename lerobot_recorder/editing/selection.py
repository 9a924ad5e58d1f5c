"""Chooses episodes of a dataset."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lerobot_recorder.dataset import Source
from lerobot_recorder.errors import ConfigError, DatasetError


@dataclass(frozen=True)
class Selection:
    """Conditions on episodes; one that meets all of them is chosen.

    Attributes:
        numbers: numbers of episodes; None for all.
        verdict: the recorder's verdict, ``good`` or ``bad``.
        failed: whether it was marked as a failure.
        shorter_than_s: length in seconds that it does not reach.
        task: its task.
        episode_ids: its identifier in the spool is one of these; None for all.
        everything: whether all episodes are meant, without a condition.
    """

    numbers: Sequence[int] | None = None
    verdict: str | None = None
    failed: bool = False
    shorter_than_s: float | None = None
    task: str | None = None
    episode_ids: Sequence[str] | None = None
    everything: bool = False

    def of(self, source: Source) -> list[int]:
        """Return the numbers of the chosen episodes, rising.

        Raises:
            ConfigError: there is no condition, or an invalid one.
            DatasetError: an episode does not exist, or none is chosen.
        """
        if self == Selection():
            raise ConfigError("no episodes are chosen: give numbers such as 3,7-9, or a condition")
        if (shorter := self.shorter_than_s) is not None and not (math.isfinite(shorter) and shorter > 0):
            raise ConfigError(f"shorter than: expected a positive number of seconds, found {shorter:g}")
        count = source.info.total_episodes
        numbers = sorted(set(range(count) if self.numbers is None else self.numbers))
        if missing := [number for number in numbers if not 0 <= number < count]:
            raise DatasetError(
                f"{source.root}: no episode {', '.join(map(str, missing[:5]))}; "
                f"it has {f'0 to {count - 1}' if count else 'none'}"
            )
        found = [number for number in numbers if self._fits(source, number)]
        if not found and self.episode_ids is not None:
            raise DatasetError(f"{source.root}: no episode {', '.join(self.episode_ids)} in the dataset")
        if not found:
            raise DatasetError(f"{source.root}: none of {len(numbers)} episodes meets the conditions")
        return found

    def _fits(self, source: Source, number: int) -> bool:
        known = source.recordings.get(number, {})
        return (
            (self.verdict is None or known.get("verdict") == self.verdict)
            and (not self.failed or known.get("success") is False)
            and (self.shorter_than_s is None or source.seconds(number) < self.shorter_than_s)
            and (self.task is None or source.dataset.task(number) == self.task)
            and (self.episode_ids is None or known.get("episode_id") in self.episode_ids)
        )
