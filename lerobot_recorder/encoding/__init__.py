"""From ready episodes to a commit: batches, claims and worker processes.

::

    ready/ ─► BatchEncoder ─► claim ─► encode_camera, one process each ─► seal ─► DatasetWriter
              (one thread)                                                      (removes the spooled copy)

=============  =============================================================================
encoder        `BatchEncoder`: the thread that watches the spool and encodes batches
settings       `BatchSettings`: when episodes are encoded, and with which resources
status         `EncoderStatus` and what it is made of: waiting episodes, results, faults
batch          encodes a batch of claimed episodes and commits it
earlier        the existing dataset, and what it requires of the next episodes
progress       shows how far an encoder is
camera         `encode_camera`: one camera of one episode
pool           worker processes that run it at low priority
worker         the program of a worker process
=============  =============================================================================
"""

from lerobot_recorder.encoding.camera import CameraJob, EncodedCamera, encode_camera
from lerobot_recorder.encoding.encoder import BatchEncoder
from lerobot_recorder.encoding.progress import progress_bar
from lerobot_recorder.encoding.settings import BatchSettings, EncoderConfig
from lerobot_recorder.encoding.status import CommittedEpisode, EncoderStatus, EncodingProgress

__all__ = [
    "BatchEncoder",
    "BatchSettings",
    "CameraJob",
    "CommittedEpisode",
    "EncodedCamera",
    "EncoderConfig",
    "EncoderStatus",
    "EncodingProgress",
    "encode_camera",
    "progress_bar",
]
