"""A successor has control only where that was read back."""

from __future__ import annotations

from synadmin.ids import RoomId, UserId
from synadmin.recovery.offboard import _verified
from synadmin.recovery.outcome import Outcome

BOB = UserId("@bob:example.org")
ROOM = RoomId("!a:example.org")


def test_successor_without_control_afterwards_is_not_done() -> None:
    granted = Outcome(room=ROOM, room_id=ROOM, user_id=BOB, outcome="done", message="granted")
    assert _verified(granted, [BOB]) is granted
    failed = _verified(granted, [])
    assert (failed.outcome, failed.reason) == ("failed", "server-error")
    assert failed.message == f"{BOB} does not have control of the room, as read back."
