"""When episodes are encoded, and with which resources."""

from __future__ import annotations

from dataclasses import dataclass, field

from lerobot_recorder.settings import check_settings, setting
from lerobot_recorder.video import DepthSettings, EncoderSettings


@dataclass(frozen=True)
class BatchSettings:
    """When episodes are encoded, and with which resources; a running encoder accepts changes."""

    video_encoding_batch_size: int = setting(
        1, "Encoding starts when this number of episodes waits", low=1, effect="at once"
    )
    encode_while_recording: bool = setting(
        True,
        "Encode a take while it is recorded, so that it is in the dataset soon after it was saved; only if "
        "video_encoding_batch_size is 1",
        effect="at once",
    )
    paused: bool = setting(False, "Start no new batch", effect="at once")
    parallel_encodings: int = setting(
        0,
        "Number of cameras that are encoded at the same time; 0: one per core",
        low=0,
        effect="from the next batch",
    )
    nice: int = setting(
        19,
        "Priority of the encoding processes; 0: normal, 19: lowest",
        low=0,
        high=19,
        effect="from the next batch",
    )
    encode_on_exit: bool = setting(
        True,
        "Encode all waiting episodes before the node ends; otherwise they wait for the next start",
        effect="at once",
    )

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True)
class EncoderConfig(BatchSettings):
    """All settings of a `BatchEncoder`.

    Attributes:
        settings: how color videos are encoded; the default is LeRobot's
        depth: how depth maps become codes in a new dataset; the default is LeRobot's
    """

    settings: EncoderSettings = field(default_factory=EncoderSettings)
    depth: DepthSettings = field(default_factory=DepthSettings)


@dataclass(frozen=True)
class ExecutorSettings:
    """Which computers encode."""

    executor: str = setting(
        "local",
        "Where videos are encoded: by processes of this computer, or on a Ray cluster whose nodes share the "
        "dataset's filesystem; there, takes are encoded after they were saved, and its CPUs count instead of "
        "parallel_encodings",
        choices=("local", "ray"),
    )
    ray_address: str = setting(
        "auto",
        "Address of the Ray cluster, as host:port of its head; auto: the one that this computer belongs to, "
        "else a new one on this computer",
    )

    def __post_init__(self) -> None:
        check_settings(self)
