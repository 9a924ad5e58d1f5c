"""From messages to a spooled episode: streams, the tick grid, the verdict. No ROS in it.

::

    push ─► Stream ─┐
    push ─► Stream ─┼─► tick thread: one row per 1/fps ─► bounded queue ─► writer thread ─► spool
    push ─► Stream ─┘   (newest sample not later)                          (decode, convert, append)

=============  =============================================================================
recorder       `Recorder`: start, save, discard; what the operator commands
opening        what is fixed when an episode starts, and that it fits what is there
phase          when to begin, so that no picture is left out
take           one episode being recorded, with its two threads
outcome        how a take can end, and what becomes of it
rows           which samples make a row of the dataset
streams        samples of one source, looked up by time
clock          the time that ticks and samples are measured in
quality        what was wrong with an episode, and the verdict
pace           what takes a row so long, should the queue to the disk fill
disk           how long the room on disk lasts
settings       what may change from episode to episode
status         what a recorder is at
schedule       unattended runs: so many episodes, so long, with pauses
api            `EpisodeRecorder`: record from your own Python loop, without streams
=============  =============================================================================
"""

from lerobot_recorder.recording.api import EpisodeRecorder
from lerobot_recorder.recording.clock import Clock, ClockSteps, SystemClock
from lerobot_recorder.recording.quality import QualityRules
from lerobot_recorder.recording.recorder import Deleted, Recorder, Restored
from lerobot_recorder.recording.schedule import RunSettings, Schedule
from lerobot_recorder.recording.status import Outcome, RecorderSettings, RecorderStatus
from lerobot_recorder.recording.streams import Sample, Stream, StreamHealth, StreamSpec

__all__ = [
    "Clock",
    "ClockSteps",
    "Deleted",
    "EpisodeRecorder",
    "Outcome",
    "QualityRules",
    "Recorder",
    "RecorderSettings",
    "RecorderStatus",
    "Restored",
    "RunSettings",
    "Sample",
    "Schedule",
    "Stream",
    "StreamHealth",
    "StreamSpec",
    "SystemClock",
]
