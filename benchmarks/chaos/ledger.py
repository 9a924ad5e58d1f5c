"""What the nodes have promised of each episode."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Promise:
    """What is known of one episode.

    Attributes:
        saved: a save or an accept was acknowledged.
        gone: a discard or a deletion was acknowledged.
        rejected: it was reported as set aside in ``rejected/``.
        doubtful: a call that may have removed it or brought it back was not answered.
    """

    saved: bool = False
    gone: bool = False
    rejected: bool = False
    doubtful: bool = False


@dataclass
class Ledger:
    """All promises, by episode.

    Attributes:
        promises: by the episode's identifier.
        refused: why a call was refused last.
        power_cuts: how many there were.
    """

    promises: dict[str, Promise] = field(default_factory=dict)
    refused: str = ""
    power_cuts: int = 0

    def of(self, episode_id: str) -> Promise:
        """Return the promise of an episode, a new one where nothing is known of it."""
        return self.promises.setdefault(episode_id, Promise())

    def saved(self, episode_id: str) -> None:
        """Note that it is to be in the dataset."""
        promise = self.of(episode_id)
        promise.saved, promise.gone, promise.rejected = True, False, False

    def gone(self, episode_id: str) -> None:
        """Note that it must not be in the dataset."""
        promise = self.of(episode_id)
        promise.saved, promise.gone, promise.rejected = False, True, False

    def rejected(self, episode_id: str) -> None:
        """Note that it is to be in ``rejected/``."""
        promise = self.of(episode_id)
        promise.saved, promise.gone, promise.rejected = False, False, True

    def restored(self, episode_id: str, state: str) -> None:
        """Note that a removal was undone, which has brought it back to a state of the spool."""
        promise = self.of(episode_id)
        promise.saved, promise.gone, promise.rejected = state == "ready", False, state == "rejected"

    def doubt(self, episode_ids: set[str]) -> None:
        """Note that any of these may have been removed or brought back: a call to do so was not answered."""
        for episode_id in episode_ids:
            self.of(episode_id).doubtful = True

    @property
    def acknowledged(self) -> list[str]:
        """The episodes that must be in the dataset."""
        return [name for name, each in self.promises.items() if each.saved and not each.doubtful]
