"""Rooms, with the library and with commands, on a real Synapse."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from typing import TYPE_CHECKING

import pytest

from synadmin.errors import NotFoundError, NotPermittedError
from synadmin.ids import RoomAlias, RoomId

if TYPE_CHECKING:
    from pathlib import Path

    from synadmin.ids import EventId
    from synadmin.sandbox.accounts import Person
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.conftest import Answer, Newcomer, Synadmin


def add_forward_extremities(homeserver: Homeserver, room_id: RoomId, *events: EventId) -> None:
    """Make these events forward extremities of a room, too, as after a network split."""
    with contextlib.closing(sqlite3.connect(homeserver.directory / "homeserver.db", timeout=10)) as database:
        database.executemany(
            "INSERT INTO event_forward_extremities (event_id, room_id) VALUES (?, ?)",
            [(event_id, room_id) for event_id in events],
        )
        database.commit()


def room_with_three_extremities(homeserver: Homeserver, person: Person) -> RoomId:
    """Return a room with three forward extremities."""
    room_id = person.make_room("Quarrel", alias=person.user_id[1:].partition(":")[0])
    events = [
        person.send_state(room_id, "m.room.topic", {"topic": topic}) for topic in ("one", "two", "three")
    ]
    add_forward_extremities(homeserver, room_id, *events[:2])
    return room_id


def test_known_rooms_are_listed_and_shown(homeserver: Homeserver, newcomer: Newcomer) -> None:
    alice = newcomer("alice")
    name = f"Chess of {alice.user_id}"
    room_id = alice.make_room(name, public=True, state=[{"type": "m.room.topic", "content": {"topic": "e4"}}])
    rooms = homeserver.admin.synapse.rooms

    found = list(rooms.list(search=name.lower()))
    details = rooms.get(room_id)
    members = rooms.members(room_id)
    state = rooms.state(room_id, type="m.room.topic").state

    assert [room.room_id for room in found] == [room_id]
    assert details.topic == "e4"
    assert details.public
    assert (members.members, members.total) == ((alice.user_id,), 1)
    assert [event.content for event in state] == [{"topic": "e4"}]


def test_blocked_room_names_its_blocker_and_refuses_joins(homeserver: Homeserver, newcomer: Newcomer) -> None:
    alice, bob = newcomer("alice"), newcomer("bob")
    room_id = alice.make_room(public=True)
    rooms = homeserver.admin.synapse.rooms

    blocked = rooms.block(room_id)
    status = rooms.block_status(room_id)
    with pytest.raises(NotPermittedError):
        bob.join(room_id)
    lifted = rooms.block(room_id, block=False)
    bob.join(room_id)

    assert blocked.block
    assert (status.block, status.user_id) == (True, homeserver.admin.user_id)
    assert not lifted.block
    assert not rooms.block_status(room_id).block


def test_hierarchy_has_each_room_once_and_names_remote_rooms(
    homeserver: Homeserver, newcomer: Newcomer
) -> None:
    space, subspace, chess = club(newcomer("alice"))
    rooms = homeserver.admin.synapse.rooms

    rooms_found = list(rooms.hierarchy(space, page_size=2))
    top = list(rooms.hierarchy(space, max_depth=0))

    assert [room.room_id for room in rooms_found] == [space, chess, subspace]
    assert [child.state_key for child in rooms_found[0].children_state] == [
        chess,
        subspace,
        "!elsewhere:other.example",
    ]
    assert rooms_found[1].name == "Chess"
    assert [room.room_id for room in top] == [space]


def club(person: Person) -> tuple[RoomId, RoomId, RoomId]:
    """Return a space, its subspace, and a room in both. The space has a room of another server, too."""
    via = {"via": [person.server_name]}
    space = person.make_room("Club", space=True, version="12")
    subspace = person.make_room("Board", space=True)
    chess = person.make_room("Chess", join_rule="knock")
    person.send_state(space, "m.space.child", via | {"order": "1"}, chess)
    person.send_state(space, "m.space.child", via | {"order": "2"}, subspace)
    person.send_state(space, "m.space.child", via | {"order": "3"}, "!elsewhere:other.example")
    person.send_state(subspace, "m.space.child", via, chess)
    person.send_state(subspace, "m.space.child", via, space)
    return space, subspace, chess


def test_forward_extremities_are_counted_and_deleted(homeserver: Homeserver, newcomer: Newcomer) -> None:
    alice = newcomer("alice")
    room_id = room_with_three_extremities(homeserver, alice)
    rooms = homeserver.admin.synapse.rooms

    before = rooms.forward_extremities(RoomAlias(f"#{alice.user_id[1:]}"))
    deleted = rooms.delete_forward_extremities(room_id)
    after = rooms.forward_extremities(room_id)

    assert before.count == len(before.results) == 3
    assert all(end.depth and end.received_ts and end.state_group for end in before.results)
    assert deleted.deleted == 2
    assert after.count == 1


def test_user_is_joined_to_a_room(homeserver: Homeserver, newcomer: Newcomer) -> None:
    alice, bob = newcomer("alice"), newcomer("bob")
    public = alice.make_room(public=True)
    private = alice.make_room()
    synapse = homeserver.admin.synapse

    assert synapse.rooms.join(public, user_id=bob.user_id).room_id == public
    with pytest.raises(NotPermittedError):
        synapse.rooms.join(private, user_id=bob.user_id)

    assert synapse.users.memberships(bob.user_id).memberships == {public: "join"}


def test_user_is_joined_through_another_server(
    federation: tuple[Homeserver, Homeserver], synadmin: Synadmin
) -> None:
    ours, theirs = federation
    room_id = theirs.register("host").make_room("Next door", public=True, version="12")
    guest = ours.register("guest")

    answer = synadmin("room", "join", room_id, "guest", "--via", theirs.server_name, server=ours)

    assert answer.code == 0, answer.stderr
    assert guest.state(room_id, "m.room.name") == {"name": "Next door"}


def test_command_joins_users_to_one_room_with_an_outcome_for_each(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin, tmp_path: Path
) -> None:
    alice, bob, carol = newcomer("alice"), newcomer("bob"), newcomer("carol")
    room_id = alice.make_room(members=[homeserver.admin], users={homeserver.admin: 50})
    (tmp_path / "users.txt").write_text(f"{bob.user_id}\nnobody-of-that-name\n")

    answer = synadmin("room", "join", room_id, carol.user_id, "--from", "users.txt", "-o", "ndjson")

    result = {line["user_id"]: line for line in map(json.loads, answer.stdout.splitlines())}
    unknown_user = result[f"@nobody-of-that-name:{homeserver.server_name}"]
    assert answer.code == 6
    assert [result[who.user_id]["outcome"] for who in (bob, carol)] == ["done", "done"]
    assert (unknown_user["outcome"], unknown_user["errcode"]) == ("failed", "M_NOT_FOUND")
    members = homeserver.admin.synapse.rooms.members(room_id).members
    assert set(members) == {who.user_id for who in (alice, bob, carol, homeserver.admin)}


def test_command_joins_a_user_to_several_rooms(newcomer: Newcomer, synadmin: Synadmin) -> None:
    alice, bob = newcomer("alice"), newcomer("bob")
    rooms = [alice.make_room(public=True) for _ in range(2)]
    private = alice.make_room()

    dry_run = synadmin("room", "join", *rooms, bob.user_id, "--dry-run", "-o", "json")
    before = synadmin("room", "members", rooms[0], "-o", "json")
    done = synadmin("room", "join", *rooms, bob.user_id)
    refused = synadmin("room", "join", private, bob.user_id)

    assert [line["body"] for line in json.loads(dry_run.stdout)] == [{"user_id": bob.user_id}] * 2
    assert len(json.loads(before.stdout)) == 1
    assert done.code == 0, done.stderr
    assert refused.code == 3
    assert "room make-admin" in refused.stderr


def test_known_and_unknown_rooms_are_blocked_and_unblocked(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    room_id = newcomer("alice").make_room()
    unknown = RoomId("!never-seen:other.example")

    blocked = synadmin("room", "block", "--from", "-", "--yes", "-o", "json", stdin=f"{room_id}\n{unknown}\n")
    shown = json.loads(synadmin("room", "show", room_id, "-o", "json").stdout)
    unblocked = synadmin("room", "unblock", room_id, unknown, "-o", "json")

    assert blocked.code == unblocked.code == 0
    assert [line["blocked_by"] for line in json.loads(blocked.stdout)] == [homeserver.admin.user_id] * 2
    assert (shown["blocked"], shown["blocked_by"]) == (True, homeserver.admin.user_id)
    assert not homeserver.admin.synapse.rooms.block_status(room_id).block
    assert not homeserver.admin.synapse.rooms.block_status(unknown).block


def test_outcomes_of_rooms_given_by_alias_have_the_room_id(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice, bob = newcomer("alice"), newcomer("bob")
    local = alice.user_id[1:].partition(":")[0]
    public = alice.make_room(public=True, alias=f"{local}-public")
    private = alice.make_room(alias=f"{local}-private")
    named = [f"#{local}-{room}:{homeserver.server_name}" for room in ("public", "private", "nowhere")]

    dry_run = synadmin("room", "join", *named, bob.user_id, "--dry-run", "-o", "ndjson")
    joined = synadmin("room", "join", *named, bob.user_id, "-o", "ndjson")
    blocked = synadmin("room", "block", *named[:2], public, "--yes", "-o", "ndjson")
    planned = synadmin("room", "delete", named[1], "--dry-run", "-o", "ndjson")
    nowhere = synadmin("room", "unblock", named[2])

    def result(answer: Answer) -> list[tuple[str, str]]:
        return [(one["room_id"], one["outcome"]) for one in map(json.loads, answer.stdout.splitlines())]

    assert result(dry_run) == [(public, "planned"), (private, "planned"), (named[2], "failed")]
    assert result(joined) == [(public, "done"), (private, "failed"), (named[2], "failed")]
    assert joined.code == 6
    assert result(blocked) == [(public, "done"), (private, "done")]
    assert result(planned) == [(private, "planned")]
    assert (nowhere.code, nowhere.stdout) == (4, "")


def test_command_shows_a_space_as_a_tree(newcomer: Newcomer, synadmin: Synadmin) -> None:
    space, subspace, chess = club(newcomer("alice"))

    tree = synadmin("room", "hierarchy", space)
    listed = synadmin("room", "hierarchy", space, "--max-depth", "1", "-o", "ndjson")

    assert tree.stdout == (
        f"Club  {space}  (space, 1 member, invite)\n"
        f"├─ Chess  {chess}  (1 member, knock)\n"
        f"├─ Board  {subspace}  (space, 1 member, invite)\n"
        f"│  ├─ Chess  {chess}  (1 member, knock)\n"
        f"│  └─ Club  {space}  (space, 1 member, invite)  (see above)\n"
        "└─ !elsewhere:other.example  (no local user is in it)\n"
    )
    assert [json.loads(line)["room_id"] for line in listed.stdout.splitlines()] == [space, chess, subspace]


def test_page_on_which_synapse_fails_is_reported_with_a_workaround(
    newcomer: Newcomer, synadmin: Synadmin
) -> None:
    space, *_ = club(newcomer("alice"))

    failed = synadmin("room", "hierarchy", space, "--page-size", "3", "-o", "json")
    whole = synadmin("room", "hierarchy", space, "--page-size", "2", "-o", "json")

    assert failed.code == 1
    assert "try another --page-size" in failed.stderr
    assert len(json.loads(whole.stdout)) == 3


def test_command_shows_and_deletes_forward_extremities(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice = newcomer("alice")
    room_id = room_with_three_extremities(homeserver, alice)

    shown = synadmin("room", "forward-extremities", f"#{alice.user_id[1:]}", "-o", "json")
    unconfirmed = synadmin("room", "forward-extremities", room_id, "--clear")
    cleared = synadmin("room", "forward-extremities", room_id, "--clear", "--yes", "-o", "json")
    again = synadmin("room", "forward-extremities", f"#{alice.user_id[1:]}", "--clear", "--yes", "-o", "json")

    assert [one["room_id"] for one in json.loads(shown.stdout)] == [room_id] * 3
    assert (unconfirmed.code, unconfirmed.stdout) == (2, "")
    assert json.loads(cleared.stdout)[0]["deleted"] == 2
    assert (json.loads(again.stdout)[0]["room_id"], json.loads(again.stdout)[0]["deleted"]) == (room_id, 0)
    assert homeserver.admin.synapse.rooms.forward_extremities(room_id).count == 1


def test_unknown_room_is_not_found(homeserver: Homeserver, synadmin: Synadmin) -> None:
    with pytest.raises(NotFoundError):
        homeserver.admin.synapse.rooms.get(RoomId("!nowhere+at/all=%2F"))

    answer = synadmin("room", "messages", "#no-such-alias:club.example")

    assert (answer.code, answer.stdout) == (4, "")


def test_admin_power_is_granted_by_call_and_command(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice, bob = newcomer("alice"), newcomer("bob")
    room_id = alice.make_room("Board", members=[bob])
    admin = homeserver.admin

    admin.synapse.rooms.make_admin(room_id, user_id=bob.user_id)
    by_call = alice.state(room_id, "m.room.power_levels")["users"]
    answer = synadmin("room", "make-admin", room_id, "--yes", "-o", "json")

    assert by_call == {alice.user_id: 100, bob.user_id: 100}
    assert json.loads(answer.stdout)[0]["outcome"] == "done"
    assert alice.state(room_id, "m.room.power_levels")["users"][admin.user_id] == 100
