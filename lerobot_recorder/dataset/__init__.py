"""LeRobotDataset v3.0 on disk: what it is, how it grows, whether it is whole.

=============  =============================================================================
layout         where everything of a dataset is
features       what a dataset records
info           ``meta/info.json``
statistics     statistics of features and images, equal to LeRobot's
tables         the parquet files: frame rows, episode rows, tasks
episode        what the encoder hands over, and what became of it
existing       what a commit needs to know of the dataset as it is
appendable     `check_appendable`: the dry run of a commit
whole          whether a file is there and whole
times          which rows LeRobot finds in a video
video_info     what ``info.json`` notes of how videos are encoded
placement      which video goes into which file
staging        writes the files of a commit, beside the dataset
journal        the redo log: puts the files in place, from any point of interruption
writer         `DatasetWriter`: one commit at a time; `check_fits`
check          finds what is wrong with a dataset
counted        a dataset as far as ``info.json`` counts
recorded       the vectors that an episode recorded, and what is known of the recording
recordings     the files of what only the recorder knows, ``meta/recordings``
faults         what can be wrong with totals, rows, videos and files
stat_faults    what can be wrong with statistics, and rows and pictures that do not have theirs
loading        what LeRobot cannot load
deep           what only decoding finds
checksums      the checksums of parquet and video files
work           how far a check has come
=============  =============================================================================
"""

from lerobot_recorder.dataset.appendable import check_appendable
from lerobot_recorder.dataset.episode import CommittedEpisode, EncodedEpisode, EncodedVideo, StreamAges
from lerobot_recorder.dataset.placement import VideoFiles
from lerobot_recorder.dataset.recorded import RecordedEpisode, RecordedVectors
from lerobot_recorder.dataset.writer import DatasetWriter, check_fits

__all__ = [
    "CommittedEpisode",
    "DatasetWriter",
    "EncodedEpisode",
    "EncodedVideo",
    "RecordedEpisode",
    "RecordedVectors",
    "StreamAges",
    "VideoFiles",
    "check_appendable",
    "check_fits",
]
