"""Record robot demonstrations straight into LeRobot's dataset format, from ROS 2.

The data's way through the package::

    arms/, cameras/                           ─► hardware node publishes joint states and images
    recording/  streams, ticks, quality       ─► recorder node: one row per tick, into the spool
    spool/      episodes on their way, on disk, owned by one process at a time, handed on by rename
    encoding/   batches of ready episodes     ─► encoder node: videos, checked, committed
    dataset/    LeRobotDataset v3.0           ─► loadable at every instant

Where to look:

=============== ====================================================================================
errors          the tree of errors
durable         files that survive a power cut
locks           locks on files that no dead process keeps
lazy            names that a package exports without importing their modules
excerpt         parts of messages: bounded texts, counted nouns
settings        one definition per setting: dataclass field, ROS parameter, option, documentation
images          JPEG and PNG: whether they are whole, how large, and their pixels
dataset/        the format: layout, features, statistics, tables, the commit, the check
video           all that imports PyAV for encoding, joining, probing and colour conversion
spool/          one directory per episode: what the recorder writes and the encoder reads
recording/      streams and the tick grid, the episode recorder, the verdict on its quality
editing/        deletes, trims, relabels, merges, repairs recorded episodes in place; all can be undone
sharing/        copies in the older format v2.1, uploads to the Hugging Face Hub
encoding/       batches, claims, worker processes, from ready episodes to a commit
arms/           Feetech protocol and bus, SO-100 arms, calibration, teleoperation, replay
cameras/        devices, network streams and video files, a thread each
simulation/     simulated arms and cameras; passed to the drivers, which do not know it
parameter_files the parameters that a file gives to a node
derived         parameters that follow from others, so that a file gives each fact once
launching       the options of ``record`` and of the launch file, and the nodes that take them
topics/         topics as streams: which messages fill a stream, and how they become samples
bags/           reads and writes ROS bags
importing/      turns bags into episodes with the rows that are recorded live
nodes/          the three ROS 2 nodes: parameters in, messages to values, values to messages
cli/            ``lerobot-recorder``, the operator's command line
=============== ====================================================================================

Imports point one way only: ``cli, nodes -> recording, encoding, arms, cameras -> spool -> dataset, video ->
durable, locks, images -> errors``.
Only ``nodes/`` and the launch file import ROS; everything else is plain Python.

``BatchEncoder``, ``DatasetEditor``, ``EpisodeRecorder`` and ``repair``, the Python API, can be imported from
here.
``__version__`` is the version that ``setup.cfg`` declares.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lerobot_recorder.editing import DatasetEditor, repair
    from lerobot_recorder.encoding import BatchEncoder
    from lerobot_recorder.recording import EpisodeRecorder

    __version__: str
else:
    _HOMES = {
        "BatchEncoder": "encoding",
        "DatasetEditor": "editing",
        "EpisodeRecorder": "recording",
        "repair": "editing",
    }

    def __getattr__(name):
        """Import or find what is asked for only then, which keeps the package quick to import."""
        if name == "__version__":
            return _version()
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

    def __dir__():
        """Return the names that completion offers, whether they were imported yet or not."""
        return sorted({*globals(), *__all__})


def _version() -> str:
    """Read ``setup.cfg`` in a checkout, whose metadata may be old or missing, else the installed metadata."""
    from configparser import ConfigParser
    from importlib.metadata import version

    checkout = ConfigParser()
    checkout.read(Path(__file__).resolve().parents[1] / "setup.cfg", encoding="utf-8")
    if checkout.get("metadata", "name", fallback="") == __name__:
        return checkout["metadata"]["version"]
    return version(__name__)


__all__ = [
    "BatchEncoder",
    "DatasetEditor",
    "EpisodeRecorder",
    "__version__",
    "repair",
]
