"""The requests that observe a room: few, and no more for a larger room."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote, unquote

import pytest

from synadmin.client import Synapse
from synadmin.ids import RoomId, UserId
from synadmin.power.room import AccountState, Goal, Reach
from synadmin.power.steps import Plan, Refusal
from synadmin.recovery.observer import Observer
from tests.unit.recovery.rooms import (
    ALICE,
    CREATE,
    JOIN_RULES,
    LEVELS,
    MEMBERS,
    POWER,
    LostRoom,
    details,
    power,
    state,
)
from tests.unit.stub import ADMIN, Reply, Stub, json_reply, refused

GOAL = Goal(target=UserId(ADMIN), caller=UserId(ADMIN))


def requested_paths(stub: Stub) -> list[str]:
    """Return the path of each request below the Admin API."""
    return [unquote(target.removeprefix("GET /_synapse/admin/")) for target in stub.targets]


def test_plain_room_is_read_with_eight_requests(stub: Stub, observer: Observer) -> None:
    room = LostRoom(stub)
    observation = observer.observe(RoomId(room.id), GOAL)
    assert isinstance(observation.answer, Plan)
    assert observation.event_id == "$m.room.power_levels"
    assert sorted(requested_paths(stub)) == sorted(
        [
            f"v1/rooms/{room.id}",
            f"v1/rooms/{room.id}/state?type=m.room.power_levels",
            f"v1/rooms/{room.id}/state?type=m.room.join_rules",
            f"v1/rooms/{room.id}/block",
            f"v1/users/{ADMIN}/memberships",
            f"v1/users/{ALICE}/memberships",
            f"v2/users/{ADMIN}",
            f"v2/users/{ALICE}",
        ]
    )


def test_concurrency_of_one_sends_one_request_at_a_time(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("synadmin.parallel.Pool")
    room = LostRoom(stub)
    with Synapse(stub.url, token="syt_token", connections=1) as synapse:
        assert isinstance(Observer(synapse).observe(RoomId(room.id), GOAL).answer, Plan)


def test_second_room_with_the_same_members_costs_four_requests(stub: Stub, observer: Observer) -> None:
    first, second = LostRoom(stub, "!first:example.org"), LostRoom(stub, "!second:example.org")
    second.member(ALICE, "join")
    observer.observe(RoomId(second.id), GOAL)
    before = len(stub.targets)
    observer.observe(RoomId(first.id), GOAL)
    assert sorted(target.rpartition("/")[2].partition("?")[0] for target in stub.targets[before:][:4]) == [
        "%21first%3Aexample.org",
        "block",
        "state",
        "state",
    ]


def test_unknown_room_has_no_observation(stub: Stub, observer: Observer) -> None:
    room = LostRoom(stub)
    stub.on(room.admin_path, refused(404, "M_NOT_FOUND", "Room not found"))
    observation = observer.observe(RoomId(room.id), GOAL)
    assert (observation.details, observation.view, observation.answer) == (None, None, None)


def test_version_12_reads_the_creators(stub: Stub, observer: Observer) -> None:
    room = LostRoom(stub, version="12", creator=None)
    create = state("m.room.create", {"room_version": "12", "additional_creators": ["@bob:example.org", 5]})
    room.on(POWER, power({"users": {}}))
    room.on(CREATE, json_reply({"state": [create]}))
    observation = observer.observe(RoomId(room.id), GOAL)
    assert observation.view is not None
    assert observation.view.creators == (ALICE, "@bob:example.org")


@pytest.mark.parametrize(
    ("version", "reach"),
    [
        (json_reply({"server_version": "1.98.0"}), Reach.IMPERSONATE),
        (json_reply({"server_version": "1.135.2 (b=matrix-org-hotfixes)"}), Reach.IMPERSONATE),
        (json_reply({"server_version": "1.136.0rc1"}), Reach.API),
        (json_reply({"server_version": "2.0.0"}), Reach.API),
        (json_reply({"server_version": ""}), Reach.API),
        (refused(404, "M_UNRECOGNIZED"), Reach.API),
    ],
)
def test_room_without_power_levels_needs_more_on_an_older_synapse(
    stub: Stub, observer: Observer, version: Reply, reach: Reach
) -> None:
    room = LostRoom(stub)
    room.on(POWER, json_reply({"state": []}))
    stub.on("/_synapse/admin/v1/server_version", version)
    found = observer.observe(RoomId(room.id), replace(GOAL, allow=Reach.IMPERSONATE)).answer
    assert isinstance(found, Plan)
    assert found.reach is reach


def test_room_that_all_local_users_left_is_refused(stub: Stub, observer: Observer) -> None:
    room = LostRoom(stub, joined_local_members=2, joined_members=2)
    room.left_by_all()
    observation = observer.observe(RoomId(room.id), GOAL)
    assert isinstance(observation.answer, Refusal)
    assert observation.answer.reason == "not-in-room"


def test_room_with_an_unknown_creator_is_refused(stub: Stub, observer: Observer) -> None:
    room = LostRoom(stub, creator="", joined_members=0, joined_local_members=0)
    room.left_by_all()
    assert observer.observe(RoomId(room.id), GOAL).via == ()


def test_remote_target_is_searched_among_the_members(stub: Stub, observer: Observer) -> None:
    room, remote_user = LostRoom(stub), UserId("@bob:elsewhere.example")
    members = [
        state("m.room.member", {"membership": "join"}, ALICE),
        state("m.room.member", {"membership": "ban"}, remote_user),
    ]
    room.on(MEMBERS, json_reply({"state": members}))
    observation = observer.observe(RoomId(room.id), Goal(target=remote_user, caller=UserId(ADMIN)))
    assert observation.view is not None
    assert observation.view.membership_of(remote_user) == "ban"
    assert f"v2/users/{remote_user}" not in requested_paths(stub)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({}, AccountState.ACTIVE),
        ({"deactivated": True, "locked": True}, AccountState.DEACTIVATED),
        ({"locked": True}, AccountState.LOCKED),
        ({"suspended": True}, AccountState.SUSPENDED),
        ({"locked": True, "suspended": True}, AccountState.SUSPENDED),
    ],
)
def test_account_has_its_most_restrictive_state(
    stub: Stub, observer: Observer, flags: dict[str, bool], expected: AccountState
) -> None:
    stub.on("/_synapse/admin/v2/users/%40alice%3Aexample.org", json_reply({"name": ALICE, **flags}))
    assert observer.account(UserId(ALICE)).state is expected


def test_unknown_account_is_missing(stub: Stub, observer: Observer) -> None:
    stub.on("/_synapse/admin/v2/users/%40alice%3Aexample.org", refused(404, "M_NOT_FOUND", "User not found"))
    assert observer.account(UserId(ALICE)).state is AccountState.MISSING


def test_malformed_restriction_names_no_rooms(stub: Stub, observer: Observer) -> None:
    # No user with power is in the room, so the join rule matters.
    room = LostRoom(stub)
    room.on(POWER, power(LEVELS))
    room.member(ALICE, None)
    room.on("members", json_reply({"members": ["@bob:example.org"], "total": 1}))
    stub.on("/_synapse/admin/v2/users/%40bob%3Aexample.org", json_reply({"name": "@bob:example.org"}))
    for allow in ("all", [5, {"type": "m.room_membership"}, {"type": "m.room_membership", "room_id": 7}]):
        rules = json_reply(
            {"state": [state("m.room.join_rules", {"join_rule": "restricted", "allow": allow})]}
        )
        room.on(JOIN_RULES, rules)
        observation = Observer(observer.synapse).observe(RoomId(room.id), GOAL)
        assert observation.view is not None
        assert observation.view.allowed_rooms == ()
        assert isinstance(observation.answer, Refusal)


def test_null_details_are_accepted(stub: Stub, observer: Observer) -> None:
    room = LostRoom(stub)
    bare = {**details(room.id), "version": None, "creator": None, "join_rules": None, "name": None}
    stub.on(room.admin_path, json_reply(bare))
    room.on(JOIN_RULES, json_reply({"state": []}))
    observation = observer.observe(RoomId(room.id), GOAL)
    assert isinstance(observation.answer, Plan)


def test_block_applies_to_a_caller_who_would_join(stub: Stub, observer: Observer) -> None:
    # The administrator has power and is not in the room. Alice, the target, is in it.
    room = LostRoom(stub)
    room.set_join_rule("public")
    room.on(POWER, power({"users": {ADMIN: 100}}))
    room.on("block", json_reply({"block": True}))
    room.member(ADMIN, None)
    goal = Goal(target=UserId(ALICE), caller=UserId(ADMIN))
    assert isinstance(observer.observe(RoomId(room.id), goal).answer, Refusal)
    room.on("block", json_reply({"block": False}))
    assert isinstance(Observer(observer.synapse).observe(RoomId(room.id), goal).answer, Plan)


def test_older_synapse_is_read_once(stub: Stub, observer: Observer) -> None:
    # Before 1.145 Synapse does not list a user's memberships, before 1.123 it sends the whole state.
    room = LostRoom(stub)
    members = [state("m.room.member", {"membership": "join"}, ALICE)]
    rest = [
        state("m.room.power_levels", LEVELS),
        state("m.room.create", {"room_version": "11"}),
        state("m.room.join_rules", {"join_rule": "invite"}),
        state("m.room.tombstone", {"replacement_room": "!new:example.org"}),
    ]
    for path_below in (POWER, CREATE, JOIN_RULES, MEMBERS):
        room.on(path_below, json_reply({"state": [*members, *rest]}))
    for user in (ALICE, ADMIN):
        path = f"/_synapse/admin/v1/users/{quote(user, safe='')}/memberships"
        stub.on(path, refused(404, "M_UNRECOGNIZED", "Unrecognized request"))
    observation = observer.observe(RoomId(room.id), GOAL)
    assert isinstance(observation.answer, Plan)
    assert (observation.answer.promoter, observation.replacement) == (ALICE, "!new:example.org")
    assert sum("/state?" in target for target in stub.targets) == 1


def test_missing_unnamed_member_is_in_no_plan(stub: Stub, observer: Observer) -> None:
    # All members may change the levels. By the statistics there are seven local members, in truth none.
    room = LostRoom(stub, joined_local_members=7, joined_members=7)
    room.on(POWER, power({"users": {}, "users_default": 100}))
    room.member(ALICE, None)
    room.on("members", json_reply({"members": ["@bob:elsewhere.example"], "total": 1}))
    goal = Goal(target=UserId(ADMIN), caller=UserId(ADMIN), allow=Reach.REACTIVATE)
    found = observer.observe(RoomId(room.id), goal).answer
    assert isinstance(found, Refusal)
    assert not found.needs_member


def test_via_servers_are_given_ones_and_those_of_power_holders(stub: Stub, synapse: Synapse) -> None:
    room = LostRoom(stub)
    room.on(POWER, power({**LEVELS, "users": {ALICE: 100, "@bob:there.example": 50}}))
    observation = Observer(synapse, ("named.example",)).observe(RoomId(room.id), GOAL)
    assert observation.via == ("named.example", "there.example")


def test_observer_of_another_thread_shares_only_accounts(stub: Stub, observer: Observer) -> None:
    # Before 1.123 Synapse sends the whole state, which each observer keeps.
    room = LostRoom(stub)
    room.on(POWER, json_reply({"state": [state("m.room.power_levels", LEVELS), state("m.room.create", {})]}))
    other = observer.beside()
    for each in (observer, other):
        each.account(UserId(ALICE))
        each.event_seen(RoomId(room.id), "m.room.power_levels")
    assert sum("/state?" in target for target in stub.targets) == 2
    assert sum("/v2/users/" in target for target in stub.targets) == 1
