"""Edits recorded datasets in place: delete, trim, split, relabel, merge, undo.

=============  =============================================================================
editor         `DatasetEditor`: one edit at a time; each can be undone
selection      which episodes: by number, verdict, length, task, success
=============  =============================================================================
"""

from lerobot_recorder.editing.editor import Change, DatasetEditor
from lerobot_recorder.editing.selection import Selection

__all__ = ["Change", "DatasetEditor", "Selection"]
