"""Episodes on their way from the recorder to the dataset, on disk, handed on by rename.

::

    <root>.spool/                beside the dataset, on the same filesystem
      recording/<episode_id>/    being written; the writer holds a lock that a dead process does not keep
      ready/<episode_id>/        recorded and durable; for an encoder to claim
      claimed/<episode_id>/      an encoder is at it; it holds a lock likewise
      committing/<episode_id>/   encoded; from here on it can no longer be taken back
      rejected/<episode_id>/     bad or interrupted, with the reasons; can be accepted
      failed/<episode_id>/       an encoder could not use it; with `error.txt`
      discarded/<episode_id>/    deleted or discarded; can be brought back while there is room
      erasing/                   being removed for good
      commit/                    the dataset writer's staged files

=============  =============================================================================
directory      `Spool`: the states, and every move between them
writer         `EpisodeWriter`: rows and images of one episode, in order, to disk
episode        `SpooledEpisode`: reads an episode that has ended
frames         finds, checks and decodes the images of one camera
restart        puts in order what dead processes and power cuts have left
discarded      what was removed, how it comes back, and what is erased when room is needed
layout         names in a spool, and which directories are certainly its own
recovery       cuts what a dead recorder left to its last whole row
identifiers    identifiers of episodes, in an order that no clock turns back
manifest       what is known of an episode besides its rows and images
records        the fixed-size record of a row
images         the files of each image format
sinks          appends images to them
disk_errors    says in a sentence what the operating system says in a number
flush          writes files through to the device while they grow
=============  =============================================================================
"""

from lerobot_recorder.images import EncodedImage
from lerobot_recorder.spool.directory import Spool
from lerobot_recorder.spool.episode import SpooledEpisode
from lerobot_recorder.spool.layout import new_episode_id
from lerobot_recorder.spool.manifest import CameraSpool, EpisodeHeader, Manifest
from lerobot_recorder.spool.records import AGES, SOURCE_STAMPS
from lerobot_recorder.spool.writer import EpisodeWriter, PreparedRow

__all__ = [
    "AGES",
    "SOURCE_STAMPS",
    "CameraSpool",
    "EncodedImage",
    "EpisodeHeader",
    "EpisodeWriter",
    "Manifest",
    "PreparedRow",
    "Spool",
    "SpooledEpisode",
    "new_episode_id",
]
