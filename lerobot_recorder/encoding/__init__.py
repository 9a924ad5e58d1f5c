"""From ready episodes to a commit: batches, claims and worker processes.

::

    ready/ ─► BatchEncoder ─► claim ─► encode_camera, one process each ─► seal ─► DatasetWriter
              (one thread)                                                          └─► the spooled copy goes

=============  =============================================================================
encoder        `BatchEncoder`: the thread that watches the spool and encodes batches
status         `EncoderStatus`, its snapshot, and the episodes that it has committed
settings       `BatchSettings`: when episodes are encoded, and with which resources
waiting        the episodes that wait in the spool, each read once
batch          encodes a batch of claimed episodes and commits it
earlier        what is in the dataset already
faults         whose fault an error is: the episode's, or the computer's
camera         `encode_camera`: one camera of one episode, a function of paths and settings
pool           worker processes that run such functions at low priority
worker         the program of a worker process
=============  =============================================================================
"""

from lerobot_recorder.encoding.camera import CameraJob, EncodedCamera, encode_camera
from lerobot_recorder.encoding.encoder import BatchEncoder
from lerobot_recorder.encoding.settings import BatchSettings
from lerobot_recorder.encoding.status import CommittedEpisode, EncoderStatus

__all__ = [
    "BatchEncoder",
    "BatchSettings",
    "CameraJob",
    "CommittedEpisode",
    "EncodedCamera",
    "EncoderStatus",
    "encode_camera",
]
