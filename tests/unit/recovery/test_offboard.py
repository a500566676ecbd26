"""A successor counts as having control only after that is read back."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from synadmin.ids import RoomId, UserId
from synadmin.recovery.offboard import RoomHandover, _verified
from synadmin.recovery.outcome import Outcome

if TYPE_CHECKING:
    from synadmin.recovery.outcome import State
    from synadmin.recovery.room_control import RoomControl

BOB = UserId("@bob:example.org")
ROOM = RoomId("!a:example.org")


def test_successor_without_control_afterwards_is_not_done() -> None:
    granted = Outcome(room=ROOM, room_id=ROOM, user_id=BOB, outcome="done", message="granted")
    assert _verified(granted, [BOB]) is granted
    failed = _verified(granted, [])
    assert (failed.outcome, failed.reason) == ("failed", "server-error")
    assert failed.message == f"{BOB} does not have control of the room, as read back."


@pytest.mark.parametrize(
    ("outcomes", "outcome"),
    [
        (("planned", "refused"), "partly"),
        (("pending", "refused"), "partly"),
        (("pending", "failed"), "partly"),
        (("refused", "failed"), "failed"),
        (("done", "pending"), "pending"),
        (("planned", "done"), "planned"),
    ],
)
def test_room_with_one_refused_successor_is_partly_handed_over(
    outcomes: tuple[State, ...], outcome: str
) -> None:
    results = tuple(
        Outcome(room=ROOM, room_id=ROOM, user_id=BOB, outcome=kind, message="") for kind in outcomes
    )
    assert RoomHandover(cast("RoomControl", None), results, ()).outcome == outcome
