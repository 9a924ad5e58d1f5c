"""What may change from episode to episode."""

from __future__ import annotations

from dataclasses import dataclass, field

from lerobot_recorder.errors import ConfigError
from lerobot_recorder.recording.quality import QualityRules


@dataclass(frozen=True)
class RecorderSettings:
    """What may change from episode to episode.

    Attributes:
        task: the sentence that describes what is shown.
        episode_time_s: length of an episode in seconds; 0: until it is saved.
        robot_type: kept in the dataset.
        record_ages: add the feature `stream_ages`; ages are kept beside the dataset in any case.
        record_success: add the feature `next.success`. A dataset that has either feature always gets it.
        queue_mb: memory that rows may take while they wait for the disk, in MB.
        rules: when an episode is bad.
    """

    task: str = ""
    episode_time_s: float = 0.0
    robot_type: str | None = None
    record_ages: bool = False
    record_success: bool = False
    queue_mb: float = 512.0
    rules: QualityRules = field(default_factory=QualityRules)

    def __post_init__(self) -> None:
        if self.episode_time_s < 0:
            raise ConfigError(f"episode_time_s: expected 0 (no limit) or more, found {self.episode_time_s}")
        if self.queue_mb <= 0:
            raise ConfigError(f"queue_mb: expected more than 0, found {self.queue_mb}")
