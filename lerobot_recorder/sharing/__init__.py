"""Passes datasets on: in format v2.1, and to the Hugging Face Hub.

=============  =============================================================================
export         `export_v21`: a copy in format v2.1, for LeRobot 0.3, openpi and GR00T
modality       what the values in a dataset are, for GR00T
hub            `push`: an upload to the Hub, which becomes visible at once
card           the dataset card that the Hub and ``datasets`` read
=============  =============================================================================
"""

from lerobot_recorder.sharing.export import Exported, export_v21
from lerobot_recorder.sharing.hub import Pushed, check_names, check_ready, check_tags, push, repo_id_of

__all__ = [
    "Exported",
    "Pushed",
    "check_names",
    "check_ready",
    "check_tags",
    "export_v21",
    "push",
    "repo_id_of",
]
