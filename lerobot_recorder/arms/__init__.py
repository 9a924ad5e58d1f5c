"""SO-100 and SO-101 arms: Feetech servos on a serial port.

=============  =============================================================================
protocol       packets of the Feetech protocol: bytes in, bytes out
registers      the servos' memory
port           serial ports, and which program holds one
bus            ``ServoBus``: requests, replies and retries
calibration    LeRobot's calibration files; ticks to rad and to LeRobot's units
calibrate      measures a calibration
setup          finds servos and sets their IDs
arm            ``Arm``: six servos as one arm
inspection     looks at an arm without changing anything
connection     reconnects an arm after a failure
motion         slow approaches and step limits
follower       drives the follower and monitors its servos
commands       checks commands from other programs
teleop         ``TeleopLoop``: the thread that drives the arms
replay         replays a recorded movement and compares the result
kinematics     forward and inverse kinematics
settings       settings and samples of the arms
=============  =============================================================================
"""

from lerobot_recorder.arms.arm import Arm
from lerobot_recorder.arms.bus import ServoBus
from lerobot_recorder.arms.calibrate import FULL_TURN, STANDARD_IDS, Calibrator, JointRange
from lerobot_recorder.arms.calibration import (
    JOINTS,
    SIMULATED,
    Calibration,
    JointCalibration,
    Role,
    Vector,
    default_path,
    load_calibration,
)
from lerobot_recorder.arms.inspection import ServoReport, read_servos
from lerobot_recorder.arms.kinematics import GRASP, RESTING, Frame, forward, reach
from lerobot_recorder.arms.protocol import BROADCAST_ID, MAX_ID, Alarm, Decoder, Instruction, Packet
from lerobot_recorder.arms.registers import BAUD_RATES, Register
from lerobot_recorder.arms.replay import (
    ACTION,
    STATE,
    Comparison,
    Movement,
    Player,
    ReplayStatus,
    load_movement,
)
from lerobot_recorder.arms.settings import (
    ArmSettings,
    Effort,
    JointSample,
    ReplaySettings,
    TeleopSettings,
    Unit,
)
from lerobot_recorder.arms.setup import (
    FoundServo,
    UnreadableServo,
    scan_port,
    serial_ports,
    set_up_servo,
    unplugged_port,
)
from lerobot_recorder.arms.teleop import TeleopLoop

__all__ = [
    "ACTION",
    "BAUD_RATES",
    "BROADCAST_ID",
    "FULL_TURN",
    "GRASP",
    "JOINTS",
    "MAX_ID",
    "RESTING",
    "SIMULATED",
    "STANDARD_IDS",
    "STATE",
    "Alarm",
    "Arm",
    "ArmSettings",
    "Calibration",
    "Calibrator",
    "Comparison",
    "Decoder",
    "Effort",
    "FoundServo",
    "Frame",
    "Instruction",
    "JointCalibration",
    "JointRange",
    "JointSample",
    "Movement",
    "Packet",
    "Player",
    "Register",
    "ReplaySettings",
    "ReplayStatus",
    "Role",
    "ServoBus",
    "ServoReport",
    "TeleopLoop",
    "TeleopSettings",
    "Unit",
    "UnreadableServo",
    "Vector",
    "default_path",
    "forward",
    "load_calibration",
    "load_movement",
    "reach",
    "read_servos",
    "scan_port",
    "serial_ports",
    "set_up_servo",
    "unplugged_port",
]
