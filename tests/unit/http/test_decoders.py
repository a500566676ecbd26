"""Several threads may decode the first answers of a type at the same moment."""

from __future__ import annotations

import subprocess
import sys

RACE = """
import sys, threading
sys.setswitchinterval(1e-6)
from synadmin.api import rooms, users
from synadmin.http.decoders import decoder_of

kinds = [rooms.RoomState, rooms.RoomDetails, rooms.RoomMembers, users.UserDetails]
barrier = threading.Barrier(8)

def decode():
    for kind in kinds:
        barrier.wait()
        for _ in range(3):
            try:
                decoder_of(kind).decode(b'{"state":[{"type":"a","state_key":"","sender":"@a:b","content":{}}]}')
            except Exception:
                pass

threads = [threading.Thread(target=decode) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_decoders_are_safe_for_simultaneous_first_use() -> None:
    # Without a lock for new decoders, about one run in five ends with a segmentation fault.
    for _ in range(3):
        subprocess.run([sys.executable, "-c", RACE], check=True)
