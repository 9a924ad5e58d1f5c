#!/usr/bin/env bash
# Feetech's Python SDK reports success for an answer that is one byte short, and takes its checksum for the missing byte.
#
# Guess: `read2ByteTxRx` compares the length of the answer with what it asked for, and reports COMM_RX_CORRUPT, or waits
#   until the timeout, when a servo answers with one byte instead of two.
# Seen with feetech-servo-sdk 1.0.0 (module scservo_sdk), on a pseudo-terminal:
#   - a well-formed answer with one parameter byte, 0x34, to a request for two: (50996, COMM_SUCCESS, 0). 50996 is
#     0xC734: the high byte is the packet's checksum.
#   - a sync read of three servos of which the first does not answer gives none of them, although the other two did
#     answer; without the last one it gives the first two.
# So whoever uses it must check ranges, and a sync read does not tell which servos are missing.
set -euo pipefail
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet 'feetech-servo-sdk==1.0.0' 'pyserial==3.5'
"$work/venv/bin/python" - <<'PY'
import os
import pty
import threading
import tty

import scservo_sdk as sdk

POSITION = 56
server, client = pty.openpty()
tty.setraw(server)
tty.setraw(client)
short, silent = threading.Event(), set()


def answer(servo, values):
    body = [servo, len(values) + 2, 0, *values]
    os.write(server, bytes([0xFF, 0xFF, *body, ~sum(body) & 0xFF]))


def serve():
    """Answer reads (2) with 0x1234 and sync reads (0x82) with each servo's number."""
    waiting = b""
    while True:
        waiting += os.read(server, 256)
        while len(waiting) >= 4 and len(waiting) >= 4 + waiting[3]:
            packet, waiting = waiting[: 4 + waiting[3]], waiting[4 + waiting[3] :]
            if packet[4] == 0x02:
                answer(packet[2], [0x34] if short.is_set() else [0x34, 0x12])
            elif packet[4] == 0x82:
                for servo in packet[7:-1]:
                    if servo not in silent:
                        answer(servo, [servo, 0])


threading.Thread(target=serve, daemon=True).start()
port = sdk.PortHandler(os.ttyname(client))
assert port.openPort() and port.setBaudRate(1_000_000)
packets = sdk.PacketHandler(0)

whole = packets.read2ByteTxRx(port, 1, POSITION)
print("two bytes:", whole)
assert whole == (0x1234, sdk.COMM_SUCCESS, 0)

short.set()
found = packets.read2ByteTxRx(port, 1, POSITION)
checksum = ~(1 + 3 + 0 + 0x34) & 0xFF
print(f"one byte: {found}, the high byte {found[0] >> 8:#x} is the checksum {checksum:#x}")
assert found == (checksum << 8 | 0x34, sdk.COMM_SUCCESS, 0)


def sync_read():
    group = sdk.GroupSyncRead(port, packets, POSITION, 2)
    for servo in (1, 2, 3):
        group.addParam(servo)
    result = group.txRxPacket()
    return result, [group.isAvailable(servo, POSITION, 2) for servo in (1, 2, 3)]


assert sync_read() == (sdk.COMM_SUCCESS, [True, True, True])
for missing, available in (3, [True, True, False]), (1, [False, False, False]):
    silent.clear()
    silent.add(missing)
    result = sync_read()
    print(f"sync read without servo {missing}:", result)
    assert result == (sdk.COMM_RX_TIMEOUT, available)
PY
