"""From samples to a spooled episode: streams, the tick grid, the verdict. It imports no ROS.

::

    push ─► Stream ─┐
    push ─► Stream ─┼─► tick thread: one row per 1/fps ─► bounded queue ─► writer thread ─► spool
    push ─► Stream ─┘   (newest sample not later)                          (decode, convert, append)

=============  =============================================================================
recorder       ``Recorder``: start, save, discard, and the operator's other commands
opening        what is fixed when an episode starts, checked against dataset and video limits
committed      what is asked of episodes that are in the dataset already
take           one episode being recorded, with its two threads
take_rows      the rows of a take, its verdict and its end, without threads and clocks
row_queue      the bounded queue to the writer thread, and which step is too slow
rows           builds rows from samples
geometry       crops, rotates and resizes images
streams        the newest samples of one source, looked up by time
clock          clocks for ticks and samples, and where the ticks of an episode start
quality        counts what is wrong with an episode
disk           how long the free space lasts
status         the recorder's settings and status, and how a take ended
buttons        presses of a pedal's or a gamepad's buttons, and the services behind them
cues           what the operator hears
schedule       unattended runs: a number of episodes, with pauses
api            ``EpisodeRecorder``: record from your own Python loop, without streams
=============  =============================================================================
"""

from lerobot_recorder.recording.api import EpisodeRecorder
from lerobot_recorder.recording.buttons import Buttons, ButtonSettings, request
from lerobot_recorder.recording.clock import Clock, ClockSteps, SystemClock, grid_start_ns
from lerobot_recorder.recording.committed import CommittedEpisodes
from lerobot_recorder.recording.cues import TERMINAL_VARIABLE, Cues, CueSettings, done_cue, end_cue, start_cue
from lerobot_recorder.recording.disk import RESERVE_BYTES
from lerobot_recorder.recording.geometry import ImageGeometry
from lerobot_recorder.recording.opening import (
    check_fps,
    features_to_record,
    fitting_features,
    probe_cameras,
    take_settings,
)
from lerobot_recorder.recording.quality import QualityRules, check_rates
from lerobot_recorder.recording.recorder import Deleted, Marked, Recorder, Restored
from lerobot_recorder.recording.rows import check_specs
from lerobot_recorder.recording.schedule import RunSettings, Schedule
from lerobot_recorder.recording.status import (
    CompletedEpisode,
    GridSettings,
    LastEpisode,
    Outcome,
    RecorderSettings,
    RecorderState,
    RecorderStatus,
    require_text,
)
from lerobot_recorder.recording.streams import Sample, Stream, StreamSpec, StreamStatus
from lerobot_recorder.recording.take_rows import SETTLE_S, RowWriter, TakeRows, awaited_at

__all__ = [
    "RESERVE_BYTES",
    "SETTLE_S",
    "TERMINAL_VARIABLE",
    "ButtonSettings",
    "Buttons",
    "Clock",
    "ClockSteps",
    "CommittedEpisodes",
    "CompletedEpisode",
    "CueSettings",
    "Cues",
    "Deleted",
    "EpisodeRecorder",
    "GridSettings",
    "ImageGeometry",
    "LastEpisode",
    "Marked",
    "Outcome",
    "QualityRules",
    "Recorder",
    "RecorderSettings",
    "RecorderState",
    "RecorderStatus",
    "Restored",
    "RowWriter",
    "RunSettings",
    "Sample",
    "Schedule",
    "Stream",
    "StreamSpec",
    "StreamStatus",
    "SystemClock",
    "TakeRows",
    "awaited_at",
    "check_fps",
    "check_rates",
    "check_specs",
    "done_cue",
    "end_cue",
    "features_to_record",
    "fitting_features",
    "grid_start_ns",
    "probe_cameras",
    "request",
    "require_text",
    "start_cue",
    "take_settings",
]
