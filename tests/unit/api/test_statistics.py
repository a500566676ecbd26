"""Statistics that Synapse has only with PostgreSQL; the live tests have no PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synadmin.client import Synapse
from tests.unit.stub import json_reply

if TYPE_CHECKING:
    from tests.unit.stub import Stub


def test_largest_rooms_have_their_sizes(stub: Stub) -> None:
    largest = [
        {"room_id": "!a:example.org", "estimated_size": 47325417353},
        {"room_id": "!b", "estimated_size": 17},
    ]
    stub.on("/_synapse/admin/v1/statistics/database/rooms", json_reply({"rooms": largest}))

    rooms = Synapse(stub.url, token="t").statistics.rooms().rooms

    assert [(room.room_id, room.estimated_size) for room in rooms] == [
        ("!a:example.org", 47325417353),
        ("!b", 17),
    ]
