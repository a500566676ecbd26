"""The old owner keeps the level if the room has lost its other controllers since the plan."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from synadmin.api.rooms import RoomDetails
from synadmin.errors import WouldLoseControlError
from synadmin.power.room import Reach
from synadmin.recovery import transfer_as_admin
from synadmin.recovery.room_control import RoomControl
from synadmin.recovery.transfer_as_admin import AsAdmin
from synadmin.recovery.workspace import Recovery
from tests.unit.recovery.test_transfer import FRIEND, MOVE, NEW, OLD, ROOM, room

if TYPE_CHECKING:
    from synadmin.client import Synapse
    from synadmin.journal import Journal
    from tests.unit.stub import Stub


def test_last_controller_is_not_lowered_after_a_change(
    stub: Stub, synapse: Synapse, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = replace(room(), memberships={OLD: "join", FRIEND: "join", NEW: "join"})
    control = RoomControl(RoomDetails(room_id=ROOM), view, (OLD,))
    monkeypatch.setattr(transfer_as_admin, "control_of", lambda *_: control)
    with Recovery(synapse, journal) as recovery:
        transfer = AsAdmin(recovery, MOVE, Reach.IMPERSONATE)
        with pytest.raises(WouldLoseControlError, match="no user of this server would have control"):
            transfer.demote(view)
    assert not [request for request in stub.requests if request.method != "GET"]
