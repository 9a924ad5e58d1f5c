"""Edits recorded datasets in place: delete, trim, split, relabel, merge, undo.

=============  =============================================================================
editor         `DatasetEditor`: one edit at a time; each can be undone
committed      `RecorderEdits`: what an operator does with committed episodes while recording
repairs        `repair`: saves what can be saved of a damaged dataset
selection      which episodes: by number, verdict, length, task, success
=============  =============================================================================
"""

from lerobot_recorder.editing.committed import RecorderEdits
from lerobot_recorder.editing.editor import Change, DatasetEditor
from lerobot_recorder.editing.repairs import Repair, repair
from lerobot_recorder.editing.selection import Selection

__all__ = ["Change", "DatasetEditor", "RecorderEdits", "Repair", "Selection", "repair"]
