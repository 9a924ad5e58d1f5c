"""The memory of an STS3215 servo: address, size and sign of each value.

Names, addresses and sign bits are Feetech's, as LeRobot uses them. Addresses below 40 are EEPROM: a value
survives a power cut if ``LOCK`` is 0 when it is written.
"""

from __future__ import annotations

from dataclasses import dataclass

from lerobot_recorder.arms.protocol import from_sign_magnitude, to_sign_magnitude

TICKS_PER_TURN = 4096
LARGEST_HOMING_OFFSET = 2047
"""In both directions; a larger magnitude would reach the sign bit."""
MODEL_STS3215 = 777
MODELS = {777: "STS3215", 2825: "STS3250", 11272: "SM8512BL", 1284: "SCS0009"}
BAUD_RATES = (1_000_000, 500_000, 250_000, 128_000, 115_200, 57_600, 38_400, 19_200)
"""Index: the value of ``BAUD_RATE``."""


@dataclass(frozen=True)
class Register:
    """One value in a servo's memory.

    Attributes:
        name: Feetech's name
        address: address of its first byte
        size: size in bytes
        sign_bit: the bit that is set for negative values; None if unsigned
    """

    name: str
    address: int
    size: int
    sign_bit: int | None = None

    def encode(self, value: int) -> bytes:
        """Return the value's bytes.

        Raises:
            ValueError: the value does not fit.
        """
        stored = value if self.sign_bit is None else to_sign_magnitude(value, self.sign_bit)
        if not 0 <= stored < 1 << 8 * self.size:
            raise ValueError(f"{self.name} cannot hold {value}")
        return stored.to_bytes(self.size, "little")

    def decode(self, data: bytes | bytearray) -> int:
        """Return the value of its bytes."""
        stored = int.from_bytes(data, "little")
        return stored if self.sign_bit is None else from_sign_magnitude(stored, self.sign_bit)

    def within(self, block: bytes | bytearray, address: int) -> int:
        """Return the value from a block of memory that begins at ``address``."""
        start = self.address - address
        return self.decode(block[start : start + self.size])


FIRMWARE_MAJOR = Register("Firmware_Major_Version", 0, 1)
FIRMWARE_MINOR = Register("Firmware_Minor_Version", 1, 1)
MODEL_NUMBER = Register("Model_Number", 3, 2)
ID = Register("ID", 5, 1)
BAUD_RATE = Register("Baud_Rate", 6, 1)
RETURN_DELAY_TIME = Register("Return_Delay_Time", 7, 1)
RESPONSE_STATUS_LEVEL = Register("Response_Status_Level", 8, 1)
MIN_POSITION_LIMIT = Register("Min_Position_Limit", 9, 2)
MAX_POSITION_LIMIT = Register("Max_Position_Limit", 11, 2)
MAX_TEMPERATURE_LIMIT = Register("Max_Temperature_Limit", 13, 1)
MAX_VOLTAGE_LIMIT = Register("Max_Voltage_Limit", 14, 1)
MIN_VOLTAGE_LIMIT = Register("Min_Voltage_Limit", 15, 1)
MAX_TORQUE_LIMIT = Register("Max_Torque_Limit", 16, 2)
PHASE = Register("Phase", 18, 1)
P_COEFFICIENT = Register("P_Coefficient", 21, 1)
D_COEFFICIENT = Register("D_Coefficient", 22, 1)
I_COEFFICIENT = Register("I_Coefficient", 23, 1)
PROTECTION_CURRENT = Register("Protection_Current", 28, 2)
HOMING_OFFSET = Register("Homing_Offset", 31, 2, sign_bit=11)
OPERATING_MODE = Register("Operating_Mode", 33, 1)
PROTECTIVE_TORQUE = Register("Protective_Torque", 34, 1)
PROTECTION_TIME = Register("Protection_Time", 35, 1)
OVERLOAD_TORQUE = Register("Overload_Torque", 36, 1)
TORQUE_ENABLE = Register("Torque_Enable", 40, 1)
ACCELERATION = Register("Acceleration", 41, 1)
GOAL_POSITION = Register("Goal_Position", 42, 2, sign_bit=15)
GOAL_VELOCITY = Register("Goal_Velocity", 46, 2, sign_bit=15)
TORQUE_LIMIT = Register("Torque_Limit", 48, 2)
LOCK = Register("Lock", 55, 1)
PRESENT_POSITION = Register("Present_Position", 56, 2, sign_bit=15)
PRESENT_VELOCITY = Register("Present_Velocity", 58, 2, sign_bit=15)
PRESENT_LOAD = Register("Present_Load", 60, 2, sign_bit=10)
PRESENT_VOLTAGE = Register("Present_Voltage", 62, 1)
PRESENT_TEMPERATURE = Register("Present_Temperature", 63, 1)
STATUS = Register("Status", 65, 1)
MOVING = Register("Moving", 66, 1)
PRESENT_CURRENT = Register("Present_Current", 69, 2, sign_bit=15)
MAXIMUM_ACCELERATION = Register("Maximum_Acceleration", 85, 1)

EEPROM_END = TORQUE_ENABLE.address
MEMORY_SIZE = 87


@dataclass(frozen=True)
class Block:
    """Adjacent registers that are read with one request."""

    address: int
    size: int

    @classmethod
    def spanning(cls, *registers: Register) -> Block:
        """Return the smallest block that holds them all."""
        address = min(register.address for register in registers)
        return cls(address, max(register.address + register.size for register in registers) - address)


SETTINGS = Block.spanning(FIRMWARE_MAJOR, LOCK)
MOTION = Block.spanning(PRESENT_POSITION, PRESENT_VELOCITY)
CONDITION = Block.spanning(TORQUE_ENABLE, PRESENT_CURRENT)
MOTION_AND_LOAD = Block.spanning(PRESENT_POSITION, PRESENT_LOAD)
MOTION_AND_CURRENT = Block.spanning(PRESENT_POSITION, PRESENT_CURRENT)
BLOCKS = (SETTINGS, MOTION, CONDITION, MOTION_AND_LOAD, MOTION_AND_CURRENT)
"""All blocks that are read; the bus uses other sizes for its marks."""
