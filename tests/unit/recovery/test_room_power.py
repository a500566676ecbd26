"""The power of the users of a room: the contract of ``room power -o json``."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import quote

import pytest

from synadmin.client import Synapse
from synadmin.errors import NotFoundError
from synadmin.ids import RoomId, UserId
from synadmin.recovery import room_power
from synadmin.recovery.room_power import power_of
from tests.unit.recovery.rooms import ALICE, CREATE, MEMBERS, POWER, LostRoom, power, state
from tests.unit.stub import SILENT, Stub, json_reply

MALLORY = "@mallory:elsewhere.example"


def record_of(stub: Stub, room: LostRoom) -> dict[str, Any]:
    with Synapse(stub.url, token="syt_token") as synapse:
        return power_of(synapse, RoomId(room.id))


def create_event(**content: object) -> dict[str, object]:
    return state("m.room.create", content)


def test_users_with_a_level_are_listed_highest_first(stub: Stub) -> None:
    room = LostRoom(stub)
    levels = {"users": {MALLORY: 100, ALICE: 50}, "invite": 25, "events": {"m.room.name": 10}}
    members = [state("m.room.member", {"membership": "join"}, MALLORY)]
    room.on(POWER, power(levels))
    room.on(MEMBERS, json_reply({"state": members}))
    record = record_of(stub, room)
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


def test_version_12_creators_are_above_every_level(stub: Stub) -> None:
    room = LostRoom(stub, version="12")
    create = create_event(additional_creators=[MALLORY])
    members = [state("m.room.member", {"membership": "leave"}, MALLORY)]
    room.on(CREATE, json_reply({"state": [create]}))
    room.on(POWER, power({"users": {}}))
    room.on(MEMBERS, json_reply({"state": members}))
    record = record_of(stub, room)
    assert [(user["user_id"], user["level"], user["membership"]) for user in record["users"]] == [
        (ALICE, "creator", "join"),
        (MALLORY, "creator", "leave"),
    ]
    assert record["creators_stand_above"]


def test_creator_has_100_without_power_levels(stub: Stub) -> None:
    room = LostRoom(stub)
    room.on(POWER, json_reply({"state": []}))
    record = record_of(stub, room)
    assert [(user["user_id"], user["level"]) for user in record["users"]] == [(ALICE, 100)]
    assert not record["creators_stand_above"]


def test_room_without_local_members_has_no_power_to_show(stub: Stub) -> None:
    room = LostRoom(stub)
    room.left_by_all()
    with pytest.raises(NotFoundError, match="no longer in"):
        record_of(stub, room)


def test_member_list_that_times_out_is_requested_once(stub: Stub) -> None:
    # Synapse answers only when it has the complete state of the room. It knows the joined members before.
    room = LostRoom(stub)
    unlisted = "@tom:elsewhere.example"
    room.on(POWER, power({"users": {ALICE: 100, MALLORY: 100, unlisted: 50}}))
    room.on("members", json_reply({"members": [ALICE, MALLORY], "total": 2}))
    room.on(MEMBERS, SILENT)
    # Long enough for the answered requests, on a busy machine too.
    with Synapse(stub.url, token="syt_token", timeout=2) as synapse:
        record = power_of(synapse, RoomId(room.id))
    assert {user["user_id"]: user["membership"] for user in record["users"]} == {
        ALICE: "join",
        MALLORY: "join",
        unlisted: None,
    }
    assert sum("m.room.member" in target for target in stub.targets) == 1


def test_memberships_of_many_local_users_are_read_at_once(stub: Stub) -> None:
    room = LostRoom(stub)
    many = [f"@u{number}:{ALICE.partition(':')[2]}" for number in range(30)]
    room.on(POWER, power({"users": dict.fromkeys(many, 50) | {ALICE: 100}}))
    room.on(
        MEMBERS, json_reply({"state": [state("m.room.member", {"membership": "ban"}, user) for user in many]})
    )
    for user in many:
        stub.on(
            f"/_synapse/admin/v2/users/{quote(user, safe='')}", json_reply({"name": user, "locked": True})
        )
    record = record_of(stub, room)
    held = {user["user_id"]: (user["membership"], user["account"]) for user in record["users"]}
    assert held == dict.fromkeys(many, ("ban", "locked")) | {ALICE: ("leave", "active")}
    assert sum("memberships" in target for target in stub.targets) == 0
    assert sum("m.room.member" in target for target in stub.targets) == 1


def test_overview_of_many_users_reads_the_first_joined_accounts() -> None:
    users = [UserId(f"@{number}:a.example") for number in range(10)]
    memberships = {user: "leave" if user == users[0] else "join" for user in users}
    account = SimpleNamespace(state="active")
    observer = cast("Any", SimpleNamespace(accounts=lambda asked: dict.fromkeys(asked, account)))
    states = room_power._account_states(observer, users, memberships, few=True)  # noqa: SLF001
    assert states == {user: "active" if user in users[1:8] else "not asked" for user in users}
