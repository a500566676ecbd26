"""A state event counts as set only after it is read back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from synadmin.errors import SynadminError
from synadmin.ids import RoomId, UserId
from synadmin.power.room import AccountState, Reach
from synadmin.recovery.change_levels import Actor
from synadmin.recovery.room_state import set_state
from synadmin.recovery.workspace import Recovery
from tests.unit.recovery.rooms import LostRoom, state
from tests.unit.stub import ADMIN, json_reply

if TYPE_CHECKING:
    from synadmin.client import Synapse
    from synadmin.journal import Journal
    from tests.unit.stub import Stub

TOPIC = "m.room.topic"


@pytest.mark.parametrize("shown", ["new", "old"])
def test_state_event_missing_afterwards_was_not_set(
    stub: Stub, synapse: Synapse, journal: Journal, shown: str
) -> None:
    room = LostRoom(stub)
    topics = [json_reply({"state": [state(TOPIC, {"topic": topic})]}) for topic in ("old", shown)]
    room.on(f"state?type={TOPIC}", *topics)
    stub.on(f"{room.client_path}/state/{TOPIC}/", json_reply({"event_id": "$new"}))
    actor = Actor(UserId(ADMIN), Reach.API, AccountState.ACTIVE)
    with Recovery(synapse, journal) as recovery:
        if shown == "new":
            set_state(recovery, RoomId(room.id), actor, TOPIC, {"topic": "new"})
        else:
            with pytest.raises(SynadminError, match="the room does not show it"):
                set_state(recovery, RoomId(room.id), actor, TOPIC, {"topic": "new"})
    assert list((journal.path.parent / "rooms").iterdir()), "the room was locked"
    assert [request.json for request in stub.requests if request.method == "PUT"] == [{"topic": "new"}]
