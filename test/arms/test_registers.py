from __future__ import annotations

import pytest

from lerobot_recorder.arms import registers as r
from lerobot_recorder.arms.registers import Block, Register

REGISTERS = [value for value in vars(r).values() if isinstance(value, Register)]


def test_values_are_little_endian_with_a_sign_bit() -> None:
    assert r.GOAL_POSITION.encode(2048) == b"\x00\x08"
    assert r.HOMING_OFFSET.encode(-117) == b"\x75\x08"
    assert r.HOMING_OFFSET.decode(b"\x75\x08") == -117
    assert r.PRESENT_LOAD.decode(b"\x05\x04") == -5


@pytest.mark.parametrize(("register", "value"), [(r.ID, 256), (r.ID, -1), (r.HOMING_OFFSET, 2048)])
def test_values_that_do_not_fit_are_refused(register: Register, value: int) -> None:
    with pytest.raises(ValueError, match=str(value)):
        register.encode(value)


def test_no_registers_overlap() -> None:
    places = [
        place for register in REGISTERS for place in range(register.address, register.address + register.size)
    ]
    assert len(places) == len(set(places))


def test_a_block_holds_its_registers() -> None:
    block = Block.spanning(r.PRESENT_POSITION, r.PRESENT_LOAD)
    assert block == Block(56, 6)
    assert r.PRESENT_VELOCITY.within(bytes((1, 0, 2, 0, 3, 0)), block.address) == 2
