"""Simulated SO-100 arms and cameras, for tests and for use without hardware.

A simulated arm speaks the Feetech protocol on a pseudo-terminal, so that the driver opens it like a USB port.
Simulated cameras draw the arm in its current pose. No driver depends on this package: nodes and the command
line pass it in.

=============  =============================================================================
arm            ``SimulatedArm``: six servos on a pseudo-terminal
servo          one servo
line           the line that connects them; corrupt bytes, silence and other faults
leader         ``PickAndPlace``: motion of the leader's operator
tabletop       the table, the cube and the plate
camera         ``SimulatedCamera``: draws the arm at a steady rate
scene/         the renderer
=============  =============================================================================
"""

from lerobot_recorder.simulation.arm import (
    ArmOnSimulation,
    SimulatedArm,
    simulated_arm,
)
from lerobot_recorder.simulation.camera import SimulatedCamera, simulated_calibration
from lerobot_recorder.simulation.leader import PickAndPlace
from lerobot_recorder.simulation.scene import Renderer, viewpoint_of
from lerobot_recorder.simulation.tabletop import Tabletop

SIMULATED_SOURCE = "sim"
"""Names a simulated arm as a port, and a simulated camera as a source."""

__all__ = [
    "SIMULATED_SOURCE",
    "ArmOnSimulation",
    "PickAndPlace",
    "Renderer",
    "SimulatedArm",
    "SimulatedCamera",
    "Tabletop",
    "simulated_arm",
    "simulated_calibration",
    "viewpoint_of",
]
