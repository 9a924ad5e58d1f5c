"""Passes datasets on: to programs that read the older format v2.1, and to the Hugging Face Hub.

=============  =============================================================================
export         `export_v21`: a copy in format v2.1, for LeRobot 0.3, openpi and GR00T
modality       what the values in a dataset are, for GR00T
=============  =============================================================================
"""

from lerobot_recorder.sharing.export import Exported, export_v21

__all__ = ["Exported", "export_v21"]
