"""A simulated SO-100, down to the bytes on its serial port.

======  ==================================================================================
servo   one STS3215: memory, motion, load, temperature, protections
line    servos on a wire: instructions in, replies out
faults  what can go wrong on the wire
arm     six servos behind a pseudo-terminal that any driver can open
leader  the hand that moves the simulated leader: a pick and place without end
======  ==================================================================================
"""

from lerobot_recorder.robot.simulation.arm import SimulatedArm, simulated_arm
from lerobot_recorder.robot.simulation.faults import Faults
from lerobot_recorder.robot.simulation.leader import PickAndPlace

__all__ = ["Faults", "PickAndPlace", "SimulatedArm", "simulated_arm"]
