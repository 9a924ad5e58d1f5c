"""Edits of a dataset: a plan of pieces becomes a new dataset, which takes the place of the old one at once.

=============  =============================================================================
plan           `Piece`: which rows of which episode; a `Plan` of delete, trim, split, merge, ...
source         reads everything about the episodes of a dataset
compose        writes the new dataset beside the old one; files that do not change are linked
history        exchanges both, and keeps the old one for undo
known_files    finds what other programs have changed since an edit
=============  =============================================================================
"""

from lerobot_recorder.dataset.edits.compose import changed_bytes, compose, compose_empty, link
from lerobot_recorder.dataset.edits.history import Edit, History
from lerobot_recorder.dataset.edits.plan import Piece, parse_episodes
from lerobot_recorder.dataset.edits.source import Source, file_states

__all__ = [
    "Edit",
    "History",
    "Piece",
    "Source",
    "changed_bytes",
    "compose",
    "compose_empty",
    "file_states",
    "link",
    "parse_episodes",
]
