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
place          `DatasetPlace`: name and directory of a dataset
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
from lerobot_recorder.dataset.check import check
from lerobot_recorder.dataset.episode import (
    CommittedEpisode,
    EncodedEpisode,
    EncodedVideo,
    StreamAges,
    columns_of,
)
from lerobot_recorder.dataset.features import (
    AGE_SUFFIX,
    AGES_FEATURE,
    SUCCESS_FEATURE,
    FeatureDict,
    Features,
    differences,
    is_depth,
    is_video,
    user_features,
    validate_features,
    vector_keys,
    video_keys,
    with_defaults,
)
from lerobot_recorder.dataset.info import DatasetInfo, load_info
from lerobot_recorder.dataset.journal import Forget, is_journaled
from lerobot_recorder.dataset.layout import default_root, spool_path
from lerobot_recorder.dataset.place import DatasetPlace
from lerobot_recorder.dataset.placement import VideoFiles
from lerobot_recorder.dataset.reader import (
    CountedDataset,
    RecordedEpisode,
    RecordedVectors,
    open_dataset,
    read_counted,
)
from lerobot_recorder.dataset.recordings import Recording, counted_ids, recorded_ids, recordings_of
from lerobot_recorder.dataset.repo_id import check_repo_id
from lerobot_recorder.dataset.statistics import Stats, thinning
from lerobot_recorder.dataset.writer import DatasetWriter, check_fits

__all__ = [
    "AGES_FEATURE",
    "AGE_SUFFIX",
    "SUCCESS_FEATURE",
    "CommittedEpisode",
    "CountedDataset",
    "DatasetInfo",
    "DatasetPlace",
    "DatasetWriter",
    "EncodedEpisode",
    "EncodedVideo",
    "FeatureDict",
    "Features",
    "Forget",
    "RecordedEpisode",
    "RecordedVectors",
    "Recording",
    "Stats",
    "StreamAges",
    "VideoFiles",
    "check",
    "check_appendable",
    "check_fits",
    "check_repo_id",
    "columns_of",
    "counted_ids",
    "default_root",
    "differences",
    "is_depth",
    "is_journaled",
    "is_video",
    "load_info",
    "open_dataset",
    "read_counted",
    "recorded_ids",
    "recordings_of",
    "spool_path",
    "thinning",
    "user_features",
    "validate_features",
    "vector_keys",
    "video_keys",
    "with_defaults",
]
