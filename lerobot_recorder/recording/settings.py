"""What may change from episode to episode."""

from __future__ import annotations

from dataclasses import dataclass, field

from lerobot_recorder.errors import ConfigError
from lerobot_recorder.recording.quality import QualityRules


def require_text(name: str, value: object) -> None:
    """Check that a value is a text that can be written to a dataset.

    Raises:
        ConfigError: it is not.
    """
    if not isinstance(value, str):
        raise ConfigError(f"{name}: expected a text, found {value!r}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ConfigError(f"{name}: {value!r} cannot be written as UTF-8: {error.reason}") from error


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
        require_text("task", self.task)
        if self.robot_type is not None:
            require_text("robot_type", self.robot_type)
        if self.episode_time_s < 0:
            raise ConfigError(f"episode_time_s: expected 0 (no limit) or more, found {self.episode_time_s}")
        if self.queue_mb <= 0:
            raise ConfigError(f"queue_mb: expected more than 0, found {self.queue_mb}")
