"""LeRobotDataset v3.0 on disk: its files, how it grows, and how to check it.

=============  =============================================================================
layout         the paths of a dataset and of its spool
features       features as LeRobot declares them: checks and comparison
info           ``meta/info.json``
statistics     statistics of features and images, equal to LeRobot's
tables         the parquet files: frame rows, episode rows, tasks
files          whether files are complete and have their checksums
episode        episodes on their way into the dataset
place          `DatasetPlace`: name and directory of a dataset
existing       reads what a commit needs to know about the dataset
placement      which video goes into which file, and which rows LeRobot finds in it
setups         the set-ups that episodes were recorded with, ``meta/recordings/setup``
recordings     provenance of episodes, ``meta/recordings``
staging        writes the files of a commit, beside the dataset
journal        the redo log: puts the files in place, wherever a commit was interrupted
thrift         the protocol in which parquet files describe themselves
salvage        reads rows from damaged and unfinished parquet files
repairs        repairs: what can be saved of a damaged dataset, written as a new one
edits          edits: plans of pieces of episodes, composed and exchanged at once
writer         `DatasetWriter`: one commit at a time; `check_fits`, `check_appendable`
reader         reads recorded episodes
v21            writes a dataset in format v2.1
checks         finds what is wrong with a dataset
faults         what can be wrong with counts, rows and files
loading        what LeRobot cannot load
stat_faults    what can be wrong with statistics
video_faults   what can be wrong with videos
=============  =============================================================================
"""

from typing import TYPE_CHECKING

from lerobot_recorder.lazy import lazy_names

if TYPE_CHECKING:
    from lerobot_recorder.dataset.checks import check
    from lerobot_recorder.dataset.edits import (
        Edit,
        History,
        Piece,
        Source,
        file_states,
        link,
        parse_episodes,
    )
    from lerobot_recorder.dataset.edits.compose import changed_bytes, compose, compose_empty
    from lerobot_recorder.dataset.episode import (
        STREAM_KEYS,
        EncodedEpisode,
        EncodedVideo,
        EpisodePlace,
        StreamAges,
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
        value_names,
        vector_keys,
        video_keys,
        with_defaults,
    )
    from lerobot_recorder.dataset.info import DatasetInfo, load_info
    from lerobot_recorder.dataset.journal import Forget, has_unfinished_commit, is_journaled
    from lerobot_recorder.dataset.layout import default_root, spool_path
    from lerobot_recorder.dataset.place import DatasetPlace, check_repo_id, dataset_name, find_dataset
    from lerobot_recorder.dataset.placement import VideoFiles
    from lerobot_recorder.dataset.reader import (
        CountedDataset,
        RecordedEpisode,
        RecordedVectors,
        open_dataset,
        read_counted,
    )
    from lerobot_recorder.dataset.recordings import (
        Recording,
        counted_ids,
        duplicates,
        origin,
        recorded_ids,
        recorded_numbers,
        recorded_sources,
        recordings_of,
    )
    from lerobot_recorder.dataset.repairs import Finding, Reconstruction, RepairedDataset
    from lerobot_recorder.dataset.setups import SETUPS_PATH, SetupFiles, read_setup, setup_id
    from lerobot_recorder.dataset.statistics import Stats, depth_stats, image_stats, sample_indices, thinning
    from lerobot_recorder.dataset.v21 import v21_omits, write_v21
    from lerobot_recorder.dataset.writer import DatasetWriter, check_appendable, check_fits
else:
    __getattr__ = lazy_names(__name__, __file__)

__all__ = [
    "AGES_FEATURE",
    "AGE_SUFFIX",
    "SETUPS_PATH",
    "STREAM_KEYS",
    "SUCCESS_FEATURE",
    "CountedDataset",
    "DatasetInfo",
    "DatasetPlace",
    "DatasetWriter",
    "Edit",
    "EncodedEpisode",
    "EncodedVideo",
    "EpisodePlace",
    "FeatureDict",
    "Features",
    "Finding",
    "Forget",
    "History",
    "Piece",
    "Reconstruction",
    "RecordedEpisode",
    "RecordedVectors",
    "Recording",
    "RepairedDataset",
    "SetupFiles",
    "Source",
    "Stats",
    "StreamAges",
    "VideoFiles",
    "changed_bytes",
    "check",
    "check_appendable",
    "check_fits",
    "check_repo_id",
    "compose",
    "compose_empty",
    "counted_ids",
    "dataset_name",
    "default_root",
    "depth_stats",
    "differences",
    "duplicates",
    "file_states",
    "find_dataset",
    "has_unfinished_commit",
    "image_stats",
    "is_depth",
    "is_journaled",
    "is_video",
    "link",
    "load_info",
    "open_dataset",
    "origin",
    "parse_episodes",
    "read_counted",
    "read_setup",
    "recorded_ids",
    "recorded_numbers",
    "recorded_sources",
    "recordings_of",
    "sample_indices",
    "setup_id",
    "spool_path",
    "thinning",
    "user_features",
    "v21_omits",
    "validate_features",
    "value_names",
    "vector_keys",
    "video_keys",
    "with_defaults",
    "write_v21",
]
