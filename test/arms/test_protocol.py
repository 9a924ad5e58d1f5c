from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lerobot_recorder.arms import protocol
from lerobot_recorder.arms.protocol import Decoder, Packet, from_sign_magnitude, to_sign_magnitude

packets = st.builds(
    Packet, st.integers(0, 254), st.integers(0, 255), st.binary(max_size=protocol.MAX_PARAMETERS)
)


@pytest.mark.parametrize(
    ("made", "wire"),
    [
        # The examples of Feetech's protocol manual.
        (protocol.ping(1), "FF FF 01 02 01 FB"),
        (protocol.read(1, 56, 2), "FF FF 01 04 02 38 02 BE"),
        (protocol.write(0xFE, 5, b"\x01"), "FF FF FE 04 03 05 01 F4"),
        (protocol.write(1, 42, bytes.fromhex("00 08 00 00 E8 03")), "FF FF 01 09 03 2A 00 08 00 00 E8 03 D5"),
        (protocol.sync_read([1, 2], 56, 8), "FF FF FE 06 82 38 08 01 02 36"),
        (
            protocol.sync_write(42, dict.fromkeys((1, 2, 3, 4), bytes.fromhex("00 08 00 00 E8 03"))),
            "FF FF FE 20 83 2A 06 01 00 08 00 00 E8 03 02 00 08 00 00 E8 03 03 00 08 00 00 E8 03 "
            "04 00 08 00 00 E8 03 58",
        ),
    ],
)
def test_instructions_are_those_of_the_manual(made: bytes, wire: str) -> None:
    assert made == bytes.fromhex(wire)


@pytest.mark.parametrize(
    ("wire", "packet"),
    [
        ("FF FF 01 02 00 FC", Packet(1, 0)),
        ("FF FF 01 04 00 18 05 DD", Packet(1, 0, b"\x18\x05")),
        ("FF FF 03 02 20 DA", Packet(3, 0x20)),
    ],
)
def test_replies_are_read_as_in_the_manual(wire: str, packet: Packet) -> None:
    assert Decoder().feed(bytes.fromhex(wire)) == [packet]


def test_reply_sizes_count_every_byte() -> None:
    reply = Packet(1, 0, bytes(4)).encode()
    assert protocol.reply_bytes(4, 6) == 6 * len(reply)


@given(packets)
def test_a_packet_survives_the_wire(packet: Packet) -> None:
    assert Decoder().feed(packet.encode()) == [packet]


@given(st.lists(packets, max_size=5), st.data())
def test_packets_are_found_in_any_pieces(sent: list[Packet], data: st.DataObject) -> None:
    wire = b"".join(packet.encode() for packet in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=6)))
    decoder = Decoder()
    found = [
        packet
        for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True)
        for packet in decoder.feed(wire[start:end])
    ]
    assert found == sent
    assert decoder.skipped == decoder.pending == 0


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_any_bytes_give_only_packets_with_a_correct_checksum(chunks: list[bytes]) -> None:
    decoder, wire = Decoder(), b"".join(chunks)
    found = [packet for chunk in chunks for packet in decoder.feed(chunk)]
    assert all(packet.encode() in wire for packet in found)
    packed = sum(len(packet.encode()) for packet in found)
    assert packed + decoder.skipped + decoder.pending == len(wire)


@given(st.binary(max_size=60), packets.filter(lambda packet: len(packet.parameters) <= 15))
def test_a_packet_is_found_behind_noise(noise: bytes, packet: Packet) -> None:
    """A header in the noise may promise a packet; the true one comes out as soon as that is disproved."""
    decoder = Decoder(max_parameters=15)
    found = decoder.feed(noise + packet.encode() + bytes(32))
    assert packet in found or any(other.encode() in noise + packet.encode() for other in found)


@given(packets.filter(lambda packet: len(packet.parameters) <= 15), st.data())
def test_a_flipped_bit_is_noticed(packet: Packet, data: st.DataObject) -> None:
    wire = bytearray(packet.encode())
    wire[data.draw(st.integers(0, len(wire) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert packet not in Decoder().feed(bytes(wire))


def test_a_broken_length_does_not_swallow_what_follows() -> None:
    broken = bytearray(Packet(1, 0, bytes(4)).encode())
    broken[3] = 200
    good = Packet(2, 0, bytes(4))
    assert Decoder(max_parameters=4).feed(bytes(broken) + good.encode()) == [good]


@given(st.integers(-1023, 1023))
def test_signs_survive(value: int) -> None:
    assert from_sign_magnitude(to_sign_magnitude(value, 10), 10) == value


def test_negative_values_have_a_sign_bit() -> None:
    assert to_sign_magnitude(-117, 11) == 0x0875
    assert from_sign_magnitude(0x8001, 15) == -1
    with pytest.raises(ValueError, match="2048 does not fit"):
        to_sign_magnitude(2048, 11)
