"""Episodes on their way from the recorder to the dataset: directories on disk, handed on by rename.

::

    <root>.spool/                beside the dataset, on the same file system
      recording/<episode_id>/    being written; the writer holds a lock, which ends with its process
      ready/<episode_id>/        recorded and durable; waits for an encoder
      claimed/<episode_id>/      an encoder works on it and holds a lock
      committing/<episode_id>/   encoded; it can no longer be taken back
      rejected/<episode_id>/     bad or interrupted, with the reasons; can be accepted
      failed/<episode_id>/       an encoder could not use it; with ``error.txt``
      discarded/<episode_id>/    deleted or discarded; can be brought back while there is room
      segments/<episode_id>/     pieces of its videos that are encoded already; belong to the encoder
      prepared/                  empty files for the next take; the recorder holds a lock
      erasing/                   being removed for good
      commit/                    the dataset writer's staged files
      setups/<id>.json           set-ups that episodes are recorded with
      encoder.json               the codec of the encoder that runs, which may refuse a size of images

=============  =============================================================================
spool          ``Spool``: everything below in one object
listing        which episodes are in which state
directory      creating, locking, moving and erasing
claims         what an encoder does: claim, give back, seal, fail, forget
segments       what is encoded of takes and episodes before they are committed
commands       what an operator does: accept, retry, delete, bring back, mark
discarded      deleted episodes and discarded takes, and when they are erased
restart        cleans up what dead processes and power cuts left behind
setups         set-ups of the episodes
encoder_note   what the encoder that runs tells recorders
recovery       cuts an interrupted take to its last whole row
take_files     the files of a take, which exist before it starts
writer         ``EpisodeWriter``: writes rows and images of one episode, in order
episode        ``SpooledEpisode``: reads an ended episode; ``SpooledTake``: parts of a growing one
identifiers    identifiers of episodes
manifest       metadata of an episode
records        the fixed-size record of a row
images         the files of each image format
sinks          appends images to these files
files          files that only grow, and the threads that sync them
=============  =============================================================================
"""

from typing import TYPE_CHECKING

from lerobot_recorder.lazy import lazy_names

if TYPE_CHECKING:
    from lerobot_recorder.images import EncodedImage
    from lerobot_recorder.spool.encoder_note import EncoderNote, check_sizes
    from lerobot_recorder.spool.episode import SpooledEpisode, SpooledTake, segments_folder
    from lerobot_recorder.spool.identifiers import new_episode_id
    from lerobot_recorder.spool.manifest import CameraSpool, EpisodeHeader, Manifest
    from lerobot_recorder.spool.records import AGES, SOURCE_STAMPS, text_fault
    from lerobot_recorder.spool.setups import keep_setup, setup_of
    from lerobot_recorder.spool.spool import Spool
    from lerobot_recorder.spool.take_files import TakeFiles
    from lerobot_recorder.spool.writer import EpisodeWriter, PreparedRow
else:
    __getattr__ = lazy_names(__name__, __file__)

__all__ = [
    "AGES",
    "SOURCE_STAMPS",
    "CameraSpool",
    "EncodedImage",
    "EncoderNote",
    "EpisodeHeader",
    "EpisodeWriter",
    "Manifest",
    "PreparedRow",
    "Spool",
    "SpooledEpisode",
    "SpooledTake",
    "TakeFiles",
    "check_sizes",
    "keep_setup",
    "new_episode_id",
    "segments_folder",
    "setup_of",
    "text_fault",
]
