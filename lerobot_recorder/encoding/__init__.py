"""From ready episodes to a commit: batches, claims and worker processes.

::

    ready/ ─► BatchEncoder ─► claim ─► encode_camera, one process each ─► seal ─► DatasetWriter
              (one thread)                                                          └─► the spooled copy goes

=============  =============================================================================
encoder        `BatchEncoder`: when to encode what, and what is told of it
batch          encodes a batch of claimed episodes and commits it
camera         `encode_camera`: one camera of one episode, a function of paths and settings
pool           worker processes that run such functions at low priority
worker         the program of a worker process
=============  =============================================================================
"""

from lerobot_recorder.encoding.camera import CameraJob, EncodedCamera, encode_camera
from lerobot_recorder.encoding.encoder import BatchEncoder, EncoderStatus

__all__ = ["BatchEncoder", "CameraJob", "EncodedCamera", "EncoderStatus", "encode_camera"]
