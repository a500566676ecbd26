"""Rooms that would lose control without some users, and the requests that find them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from synadmin.client import Synapse
from synadmin.ids import UserId
from synadmin.recovery.observer import Observer
from synadmin.recovery.room_control import rooms_without
from tests.unit.recovery.rooms import ALICE, POWER, LostRoom, power
from tests.unit.stub import Stub, json_reply

if TYPE_CHECKING:
    from collections.abc import Sequence

BOB, CAROL = "@bob:example.org", "@carol:example.org"


def set_joined_rooms(stub: Stub, user: str, *rooms: str) -> None:
    """Add an active account that is joined to these rooms."""
    path = f"/_synapse/admin/v1/users/{quote(user, safe='')}/memberships"
    stub.on(path, json_reply({"memberships": dict.fromkeys(rooms, "join")}))
    stub.on(f"/_synapse/admin/v2/users/{quote(user, safe='')}", json_reply({"name": user}))


def make_room(stub: Stub, room_id: str, members: Sequence[str], **levels: int) -> LostRoom:
    """Add a room where the users with these localparts have these levels."""
    room = LostRoom(stub, room_id)
    users = {f"@{name}:example.org": level for name, level in levels.items()}
    room.on(POWER, power({"users": users}))
    room.on("members", json_reply({"members": members, "total": len(members)}))
    return room


@pytest.mark.parametrize("at_once", [1, 3])
def test_rooms_are_read_once_and_only_as_far_as_needed(stub: Stub, at_once: int) -> None:
    everyone = [ALICE, BOB, CAROL]
    rooms = [
        make_room(stub, "!plain:example.org", everyone, carol=100),
        make_room(stub, "!shared:example.org", everyone, alice=100, carol=100),
        make_room(stub, "!both:example.org", everyone, alice=100, bob=100),
    ]
    for user in (ALICE, BOB):
        set_joined_rooms(stub, user, *(room.id for room in rooms))
    set_joined_rooms(stub, CAROL)

    with Synapse(stub.url, token="syt_token") as synapse:
        observer = Observer(synapse, at_once=at_once)
        lost = [*rooms_without(observer, [UserId(ALICE), UserId(BOB)])]

    assert [control.label for control in lost] == ["!both:example.org (Chess)"]
    assert lost[0].controllers == (ALICE, BOB)
    assert lost[0].view.version == "11"
    asked = [target.removeprefix("GET /_synapse/admin/") for target in stub.targets]
    plain, shared, both = (f"v1/rooms/{quote(room.id, safe='')}" for room in rooms)
    expected = [
        *(f"v1/users/{quote(user, safe='')}/memberships" for user in (ALICE, BOB)),
        *(f"{room}/{POWER}" for room in (plain, shared, both)),
        f"{shared}/members",
        f"v2/users/{quote(CAROL, safe='')}",
        f"{both}/members",
        both,
    ]
    assert sorted(asked) == sorted(expected)


def test_creator_of_version_12_has_control_of_a_room_that_lists_no_levels(stub: Stub) -> None:
    room = LostRoom(stub, "!hash", version="12")
    room.on(POWER, power({"users": {}}))
    room.on("members", json_reply({"members": [ALICE, BOB], "total": 2}))
    set_joined_rooms(stub, ALICE, room.id)
    with Synapse(stub.url, token="syt_token") as synapse:
        (lost,) = rooms_without(Observer(synapse), [UserId(ALICE)])
    assert lost.controllers == (ALICE,)
