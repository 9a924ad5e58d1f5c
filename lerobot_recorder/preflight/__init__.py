"""Checks before the first take: arms, cameras and their pictures, disk, dataset and clock.

=============  =============================================================================
finding        a line per subject: fine, a warning or a fault
arms           whether an arm answers, is calibrated, and is fast enough
cameras        what a camera delivers for some seconds
pictures       black, overexposed, out of focus, moved: what a picture shows
reference      pictures and devices of the last session, beside the dataset
last           what was found last, beside the dataset
dataset        whether the dataset accepts what will be recorded, and LeRobot the dataset
computer       disk and clock
streams        whether the topics of a robot's own nodes deliver
sheet          the pictures of all cameras as one
=============  =============================================================================
"""

from lerobot_recorder.preflight.arms import ArmToCheck, check_arm
from lerobot_recorder.preflight.cameras import CameraLook, check_camera, look_at
from lerobot_recorder.preflight.computer import check_clock, check_disk
from lerobot_recorder.preflight.dataset import check_dataset
from lerobot_recorder.preflight.finding import FAULT, FINE, WARNING, Finding
from lerobot_recorder.preflight.last import LastFindings, load_findings, save_findings
from lerobot_recorder.preflight.reference import Reference, load_references, save_references, sheet_file
from lerobot_recorder.preflight.sheet import draw_sheet
from lerobot_recorder.preflight.streams import check_topics

__all__ = [
    "FAULT",
    "FINE",
    "WARNING",
    "ArmToCheck",
    "CameraLook",
    "Finding",
    "LastFindings",
    "Reference",
    "check_arm",
    "check_camera",
    "check_clock",
    "check_dataset",
    "check_disk",
    "check_topics",
    "draw_sheet",
    "load_findings",
    "load_references",
    "look_at",
    "save_findings",
    "save_references",
    "sheet_file",
]
