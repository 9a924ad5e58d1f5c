"""Cuts what a dead recorder left in `recording/` to its last whole row."""

from __future__ import annotations

import os
from pathlib import Path

from lerobot_recorder.errors import SpoolError
from lerobot_recorder.spool.durable import replace_file, sync_directory, sync_file
from lerobot_recorder.spool.episode import FrameReader, scan_records
from lerobot_recorder.spool.images import image_file, png_file, stored_size, thumbs_file
from lerobot_recorder.spool.manifest import (
    HEADER_FILE,
    MANIFEST_FILE,
    EpisodeHeader,
    Manifest,
    end_header,
    read_header,
    read_manifest,
    to_json,
)
from lerobot_recorder.spool.records import ROWS_FILE, record_dtype

INTERRUPTED = "interrupted"
