"""From ready episodes to a commit: batches, claims and worker processes.

::

    recording/ ─► LiveEncoding ─► segments, side by side ─┐
    ready/ ─► BatchEncoder ─► claim ─► segments ─► joined, one video per camera ─► seal ─► DatasetWriter
              (one thread)                                                        (removes the spooled copy)

=============  =============================================================================
encoder        `BatchEncoder`: the thread that watches the spool and encodes batches
settings       `BatchSettings`: when episodes are encoded, and with which resources; `ExecutorSettings`
parameters     the encoder node's parameters; `encoder_settings`
status         `EncoderStatus` and what it is made of: waiting episodes, results, faults
batch          encodes a batch of claimed episodes and commits it
earlier        the existing dataset, and what it requires of the next episodes
progress       shows how far an encoder is
live           `LiveEncoding`: encodes a take while it is recorded
running        the encoding of one camera in the worker pool, step by step
camera         the steps: segments, joined to a video; `encode_camera` takes them in one process
segment        `encode_segment`: a part of one camera's video, checked
job            what a worker process can run, and what runs it
pool           worker processes that run jobs at low priority
worker         the program of a worker process
cluster        `RayCluster`: runs jobs on many computers
ray_client     the program of the process that is connected to a Ray cluster
ray_task       what runs on the nodes of a Ray cluster
=============  =============================================================================
"""

from typing import TYPE_CHECKING

from lerobot_recorder.lazy import lazy_names

if TYPE_CHECKING:
    from lerobot_recorder.encoding.camera import CameraJob, EncodedCamera, encode_camera
    from lerobot_recorder.encoding.cluster import RayCluster
    from lerobot_recorder.encoding.encoder import BatchEncoder
    from lerobot_recorder.encoding.parameters import ENCODER_PARAMETERS, VIDEO_PARAMETERS, encoder_settings
    from lerobot_recorder.encoding.pool import cores
    from lerobot_recorder.encoding.progress import OverallProgress, progress_bar
    from lerobot_recorder.encoding.segment import Segment, SegmentJob, encode_segment
    from lerobot_recorder.encoding.settings import BatchSettings, EncoderConfig, ExecutorSettings
    from lerobot_recorder.encoding.status import (
        CommittedEpisode,
        EncoderStatus,
        EncodingProgress,
        TakeProgress,
    )
else:
    __getattr__ = lazy_names(__name__, __file__)

__all__ = [
    "ENCODER_PARAMETERS",
    "VIDEO_PARAMETERS",
    "BatchEncoder",
    "BatchSettings",
    "CameraJob",
    "CommittedEpisode",
    "EncodedCamera",
    "EncoderConfig",
    "EncoderStatus",
    "EncodingProgress",
    "ExecutorSettings",
    "OverallProgress",
    "RayCluster",
    "Segment",
    "SegmentJob",
    "TakeProgress",
    "cores",
    "encode_camera",
    "encode_segment",
    "encoder_settings",
    "progress_bar",
]
