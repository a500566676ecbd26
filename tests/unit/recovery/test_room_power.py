"""Who can do what in a room: the contract of ``room power -o json``."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from synadmin.client import Synapse
from synadmin.errors import NotFoundError
from synadmin.ids import RoomId
from synadmin.recovery.room_power import power_of
from tests.unit.recovery.rooms import ALICE, CREATE, MEMBERS, POWER, LostRoom, power, state
from tests.unit.stub import SILENT, Stub, told

if TYPE_CHECKING:
    from typing import Any

MALLORY = "@mallory:elsewhere.example"


def of(stub: Stub, room: LostRoom) -> dict[str, Any]:
    with Synapse(stub.url, token="syt_token") as synapse:
        return power_of(synapse, RoomId(room.id))


def created(**content: object) -> dict[str, object]:
    return state("m.room.create", content)


def test_everybody_who_holds_a_level_is_listed_the_highest_first(stub: Stub) -> None:
    room = LostRoom(stub)
    levels = {"users": {MALLORY: 100, ALICE: 50}, "invite": 25, "events": {"m.room.name": 10}}
    members = [state("m.room.member", {"membership": "join"}, MALLORY)]
    room.on(POWER, power(levels))
    room.on(MEMBERS, told({"state": members}))
    record = of(stub, room)
    assert record["users"] == [
        {"user_id": MALLORY, "level": 100, "membership": "join", "local": False, "account": None},
        {"user_id": ALICE, "level": 50, "membership": "join", "local": True, "account": "active"},
    ]
    assert (record["room_id"], record["version"], record["creators"]) == (room.id, "11", [ALICE])
    assert record["needed"] == {
        "m.room.power_levels": 50,
        "m.room.name": 10,
        "state_default": 50,
        "events_default": 0,
        "invite": 25,
        "kick": 50,
        "ban": 50,
        "redact": 50,
    }


def test_creators_of_version_12_stand_above_every_number(stub: Stub) -> None:
    room = LostRoom(stub, version="12")
    create = created(additional_creators=[MALLORY])
    members = [state("m.room.member", {"membership": "leave"}, MALLORY)]
    room.on(CREATE, told({"state": [create]}))
    room.on(POWER, power({"users": {}}))
    room.on(MEMBERS, told({"state": members}))
    record = of(stub, room)
    assert [(user["user_id"], user["level"], user["membership"]) for user in record["users"]] == [
        (ALICE, "creator", "join"),
        (MALLORY, "creator", "leave"),
    ]
    assert record["creators_stand_above"]


def test_without_levels_the_creator_holds_100(stub: Stub) -> None:
    room = LostRoom(stub)
    room.on(POWER, told({"state": []}))
    record = of(stub, room)
    assert [(user["user_id"], user["level"]) for user in record["users"]] == [(ALICE, 100)]
    assert not record["creators_stand_above"]


def test_a_room_that_we_are_no_longer_in_has_no_power_to_show(stub: Stub) -> None:
    room = LostRoom(stub)
    room.left_by_all()
    with pytest.raises(NotFoundError, match="no longer in"):
        of(stub, room)


def test_members_that_the_server_does_not_list_yet_are_waited_for_once(stub: Stub) -> None:
    # Synapse lists them when it has the room's state complete; who is joined it knows before.
    room = LostRoom(stub)
    absent = "@tom:elsewhere.example"
    room.on(POWER, power({"users": {ALICE: 100, MALLORY: 100, absent: 50}}))
    room.on("members", told({"members": [ALICE, MALLORY], "total": 2}))
    room.on(MEMBERS, SILENT)
    with Synapse(stub.url, token="syt_token", timeout=0.5) as synapse:
        record = power_of(synapse, RoomId(room.id))
    assert {user["user_id"]: user["membership"] for user in record["users"]} == {
        ALICE: "join",
        MALLORY: "join",
        absent: None,
    }
    assert sum("m.room.member" in target for target in stub.targets) == 1


def test_of_many_local_users_the_memberships_are_asked_for_at_once(stub: Stub) -> None:
    room = LostRoom(stub)
    many = [f"@u{number}:{ALICE.partition(':')[2]}" for number in range(30)]
    room.on(POWER, power({"users": dict.fromkeys(many, 50) | {ALICE: 100}}))
    room.on(MEMBERS, told({"state": [state("m.room.member", {"membership": "ban"}, user) for user in many]}))
    for user in many:
        stub.on(f"/_synapse/admin/v2/users/{quote(user, safe='')}", told({"name": user, "locked": True}))
    record = of(stub, room)
    held = {user["user_id"]: (user["membership"], user["account"]) for user in record["users"]}
    assert held == dict.fromkeys(many, ("ban", "locked")) | {ALICE: ("leave", "active")}
    assert sum("memberships" in one for one in stub.targets) == 0
    assert sum("m.room.member" in one for one in stub.targets) == 1
