"""``room upgrade``: the new room, its members, and the spaces that contain it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from synadmin.ids import RoomAlias, RoomId
from tests.live.conftest import running
from tests.live.recovery.proxy import Passing, Proxy

if TYPE_CHECKING:
    from pathlib import Path

    from synadmin.sandbox.accounts import Person
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.conftest import Newcomer, Synadmin

_CREATE, _CHILD, _PARENT = "m.room.create", "m.space.child", "m.space.parent"


def upgraded(
    synadmin: Synadmin, *arguments: str, acting: Person | None = None, code: int = 0
) -> list[dict[str, Any]]:
    answer = synadmin("room", "upgrade", *arguments, "-o", "json", acting=acting)
    assert answer.code == code, (answer.code, answer.stdout, answer.stderr)
    return [*json.loads(answer.stdout)]


def content(admin: Person, room_id: RoomId, kind: str, key: str = "") -> dict[str, Any]:
    events = admin.state_events(room_id, kind)
    found: dict[str, Any] = next((event["content"] for event in events if event["state_key"] == key), {})
    return found


def creators(admin: Person, room_id: RoomId) -> set[str]:
    (event,) = admin.state_events(room_id, _CREATE)
    return {event["sender"], *event["content"].get("additional_creators", [])}


@pytest.mark.parametrize("version", ["6", "10", "11", "12"])
def test_room_is_upgraded_with_chosen_creators(
    synadmin: Synadmin, homeserver: Homeserver, newcomer: Newcomer, version: str
) -> None:
    admin = homeserver.admin
    alice, bob, carol = (newcomer(name) for name in ("alice", "bob", "carol"))
    alias = f"owned-{version}-{alice.user_id[1:].partition(':')[0]}"
    old = alice.make_room("Chess", version=version, alias=alias, members=[bob, carol], users={carol: 50})
    arguments = (old, "--to-version", "12", "--creator", alice.user_id, "--creator", bob.user_id)

    (refused,) = upgraded(synadmin, *arguments, "--yes", code=5)
    assert (refused["outcome"], refused["reason"]) == ("refused", "needs-impersonate")
    allowed = (*arguments, "--allow", "impersonate")
    (planned,) = upgraded(synadmin, *allowed, "--dry-run")
    assert (planned["outcome"], planned["creators"]) == ("planned", [alice.user_id, bob.user_id])
    assert [step["action"] for step in planned["steps"]] == ["upgrade", "invite"]
    assert not admin.state_events(old, "m.room.tombstone")

    (record,) = upgraded(synadmin, *allowed, "--yes")
    new = RoomId(record["new_room_id"])
    assert (record["outcome"], record["version"]) == ("pending", "12")
    assert record["members"] == {"before": 3, "after": 1}
    assert creators(admin, new) == {alice.user_id, bob.user_id}
    assert content(admin, new, "m.room.power_levels")["users"] == {carol.user_id: 50}
    assert content(admin, old, "m.room.tombstone")["replacement_room"] == new
    assert content(admin, new, "m.room.join_rules") == content(admin, old, "m.room.join_rules")
    alias_target = admin.synapse.client_server.resolve_alias(RoomAlias(f"#{alias}:{homeserver.server_name}"))
    assert alias_target.room_id == new
    assert {admin.membership(new, person) for person in (bob, carol)} == {"invite"}

    # A second run finds the new room and changes nothing.
    (again,) = upgraded(synadmin, *allowed, "--yes")
    assert (again["outcome"], again["new_room_id"], again["steps"]) == ("done", new, [])


def test_members_follow_an_upgraded_public_room(
    synadmin: Synadmin, homeserver: Homeserver, newcomer: Newcomer
) -> None:
    alice, bob = newcomer("alice"), newcomer("bob")
    admin = homeserver.admin
    old = alice.make_room("Open", public=True, members=[bob, admin], users={admin: 100})
    (record,) = upgraded(synadmin, old, "--to-version", "12", "--yes")
    new = RoomId(record["new_room_id"])
    assert (record["outcome"], record["creators"]) == ("done", [admin.user_id])
    assert {admin.membership(new, person) for person in (alice, bob)} == {"join"}
    assert content(admin, new, "m.room.power_levels")["users"] == {alice.user_id: 100}


def test_space_and_its_rooms_are_upgraded_together(
    synadmin: Synadmin, homeserver: Homeserver, newcomer: Newcomer
) -> None:
    admin, alice, bob = homeserver.admin, newcomer("alice"), newcomer("bob")
    via = {"via": [homeserver.server_name]}
    top = alice.make_room("Town", space=True)
    space = alice.make_room("Club", space=True, members=[bob])
    rule = {"join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": space}]}
    room = alice.make_room("Hall", version="10", join_rule=rule)
    alice.send_state(top, _CHILD, via, space)
    alice.send_state(space, _CHILD, {**via, "order": "a"}, room)
    alice.send_state(room, _PARENT, {**via, "canonical": True}, space)

    records = upgraded(
        synadmin, "--space", space, "--to-version", "12", "--creator", alice.user_id,
        "--allow", "impersonate", "--yes",
    )  # fmt: skip
    assert [record["room_id"] for record in records] == [room, space]
    assert [record["outcome"] for record in records] == ["done", "pending"]
    new_room, new_space = (RoomId(record["new_room_id"]) for record in records)
    assert content(admin, new_space, _CHILD, new_room) == {**via, "order": "a"}
    assert content(admin, new_space, _CHILD, room) == {}
    assert content(admin, top, _CHILD, new_space) == via
    assert content(admin, top, _CHILD, space) == {}
    assert content(admin, new_room, _PARENT, new_space) == {**via, "canonical": True}
    allowed = [entry["room_id"] for entry in content(admin, new_room, "m.room.join_rules")["allow"]]
    assert allowed == [space, new_space]
    bob.join(new_space)
    bob.join(new_room)
    assert admin.membership(new_room, bob) == "join"


def test_interrupted_upgrade_is_finished(
    synadmin: Synadmin, homeserver: Homeserver, newcomer: Newcomer
) -> None:
    admin, alice, bob = homeserver.admin, newcomer("alice"), newcomer("bob")
    via = {"via": [homeserver.server_name]}
    space, room = alice.make_room("Club", space=True), alice.make_room("Hall", members=[bob])
    alice.send_state(space, _CHILD, via, room)
    new = alice.synapse.client_server.upgrade_room(room, "12").replacement_room
    (record,) = upgraded(synadmin, room, "--to-version", "12", "--allow", "impersonate", "--yes")
    assert (record["outcome"], record["new_room_id"]) == ("pending", new)
    assert [step["action"] for step in record["steps"]] == ["invite", "space"]
    assert admin.membership(new, bob) == "invite"
    assert content(admin, space, _CHILD, new) == via


def test_room_that_was_upgraded_meanwhile_gets_no_second_new_room(
    homeserver: Homeserver, newcomer: Newcomer, tmp_path: Path
) -> None:
    alice = newcomer("alice")
    room = alice.make_room("Hall")
    new: list[RoomId] = []

    def on_request(passing: Passing) -> None:
        if passing.path.endswith("type=m.room.canonical_alias") and not new:  # after the plan
            new.append(alice.synapse.client_server.upgrade_room(room, "11").replacement_room)

    arguments = ["room", "upgrade", room, "--to-version", "12", "--allow", "impersonate", "--yes"]
    with (
        Proxy(homeserver.url, on_request) as proxy,
        running(tmp_path, proxy.here, homeserver.admin, *arguments) as process,
    ):
        _, stderr = process.communicate()
    assert process.returncode == 1, stderr
    assert f"{room} was upgraded to {new[0]} in the meantime: nothing was changed" in stderr
    assert content(homeserver.admin, room, "m.room.tombstone")["replacement_room"] == new[0]


@pytest.mark.parametrize(("status", "code"), [(401, 3), (403, 1)])
def test_new_room_is_named_where_it_cannot_be_read_back(
    homeserver: Homeserver, tmp_path: Path, status: int, code: int
) -> None:
    admin = homeserver.admin
    room = admin.make_room("Hall")
    upgrades: list[Passing] = []

    def answer_with_status(passing: Passing) -> int | None:
        if upgrades and not passing.answered:
            return status
        if passing.path.endswith("/upgrade") and passing.answered:
            upgrades.append(passing)
        return None

    arguments = ["room", "upgrade", room, "--to-version", "12", "--yes", "-o", "json"]
    with (
        Proxy(homeserver.url, answer_with_status) as proxy,
        running(tmp_path, proxy.here, admin, *arguments) as process,
    ):
        stdout, stderr = process.communicate()
    assert process.returncode == code, (stdout, stderr)
    assert ("synadmin: " in stderr) is (status == 401), stderr
    (record,) = json.loads(stdout)
    new = content(admin, room, "m.room.tombstone")["replacement_room"]
    assert (record["outcome"], record["new_room_id"]) == ("unknown", new)
    assert [step["status"] for step in record["steps"]] == ["done"]


def test_invalid_upgrades_are_refused_before_any_change(
    synadmin: Synadmin, homeserver: Homeserver, newcomer: Newcomer
) -> None:
    admin, alice, gone, banned = homeserver.admin, newcomer("alice"), newcomer("gone"), newcomer("banned")
    admin.modify_user(gone, deactivated=True)
    room = alice.make_room("Hall", banned=[banned])
    newest = alice.make_room("Newest", version="12")
    without_power = alice.make_room("Lost", members=[newcomer()], left=[alice])
    foreign = alice.make_room("Foreign", exact_levels={"users": {"@vera:elsewhere.example": 100}})
    impersonate = ("--allow", "impersonate")
    for arguments, code, words in (
        ((), 2, "name a room"),
        ((room, "--to-version", "99"), 2, "does not know room version '99'"),
        ((room, "--to-version", "11", "--creator", alice.user_id), 2, "version 12 or later"),
        ((room, "--creator", "no-such-account"), 4, "User not found"),
        ((room, "--creator", gone.user_id), 5, "is deactivated"),
        ((room, "--creator", banned.user_id, *impersonate), 5, "is banned"),
        ((newest, "--to-version", "11", *impersonate), 5, "would lose"),
        (
            (without_power, "--to-version", "12", *impersonate),
            5,
            f"`synadmin room make-admin '{without_power}' --allow impersonate`",
        ),
        ((foreign, "--to-version", "12"), 5, "@vera:elsewhere.example can change the levels: ask them"),
    ):
        answer = synadmin("room", "upgrade", *arguments, "--yes")
        assert answer.code == code, (arguments, answer)
        assert words in " ".join((answer.stdout + answer.stderr).split()), (arguments, answer)
    for room_id in (room, newest, without_power, foreign):
        assert not admin.state_events(room_id, "m.room.tombstone")
    (record,) = upgraded(synadmin, newest, "--to-version", "12", *impersonate, "--yes")
    assert (record["outcome"], record["new_room_id"]) == ("done", None)
