"""Simulated SO-100 arms and cameras, for tests and for use without hardware.

A simulated arm speaks the Feetech protocol on a pseudo-terminal, so that the driver opens it like a USB port.
Simulated cameras draw the arm in its current pose. No driver depends on this package: nodes and the command
line pass it in.

=============  =============================================================================
arm            ``SimulatedArm``: six servos on a pseudo-terminal
servo, line    one servo; the line that connects them
faults         corrupt bytes, silence, unplugging
leader         ``PickAndPlace``: motion of the leader's operator
tabletop       the table, the cube and the plate
camera         ``SimulatedCamera``: draws the arm at a steady rate
scene/         the renderer
=============  =============================================================================
"""

from lerobot_recorder.simulation.arm import (
    ArmOnSimulation,
    SimulatedArm,
    open_simulated_arm,
    simulated_arm,
)
from lerobot_recorder.simulation.camera import SimulatedCamera, simulated_calibration
from lerobot_recorder.simulation.faults import Faults
from lerobot_recorder.simulation.leader import PickAndPlace
from lerobot_recorder.simulation.scene import Renderer, viewpoint_of
from lerobot_recorder.simulation.tabletop import Tabletop

SIMULATED_SOURCE = "sim"
"""Names a simulated arm as a port, and a simulated camera as a source."""

__all__ = [
    "SIMULATED_SOURCE",
    "ArmOnSimulation",
    "Faults",
    "PickAndPlace",
    "Renderer",
    "SimulatedArm",
    "SimulatedCamera",
    "Tabletop",
    "open_simulated_arm",
    "simulated_arm",
    "simulated_calibration",
    "viewpoint_of",
]
