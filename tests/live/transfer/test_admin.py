"""``room transfer`` as a server admin, to an account on another server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.live.transfer.conftest import eventually
from tests.written import journal_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.live.conftest import Answer, Newcomer, Synadmin
    from tests.live.transfer.conftest import Migration

ALLOWED = ("--allow", "impersonate", "--to-profile", "new", "--yes", "-o", "json")


def records(answer: Answer) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(answer.stdout)
    return found


def transfer(synadmin: Synadmin, migration: Migration, *arguments: str) -> Answer:
    to = ("--to", migration.new_user.user_id, "--old-owner", migration.old_user.user_id)
    return synadmin("room", "transfer", *arguments, *to, server=migration.old_server)


def test_space_with_five_rooms_is_transferred_to_another_server(
    migration: Migration, synadmin: Synadmin, newcomer: Newcomer, tmp_path: Path
) -> None:
    old, home = migration.old_user, migration.old_server
    friend = newcomer("friend", server=home)
    rooms = migration.make_rooms(4)
    rooms.append(old.create_room("Open to all", public=True))
    old.bring_in(rooms[0], friend)
    old.set_power(rooms[0], {friend: 50})
    space = migration.make_space(rooms)
    devices = home.admin.synapse.devices.list(old.user_id).total

    answer = transfer(synadmin, migration, "--space", space, *ALLOWED, "--leave-rooms")

    assert answer.code == 0, answer.stderr
    result = records(answer)
    assert {record["outcome"] for record in result} == {"done"}
    assert [record["room_id"] for record in result][-1] == space, "the space comes after its rooms"
    assert {record["room_id"] for record in result} == {space, *rooms}
    for room_id in (*rooms, space):
        migration.assert_transferred(room_id)
        # The new owner can send state events. The old owner no longer can.
        migration.new_user.send_state(room_id, "m.room.topic", {"topic": "Now from the other bank"})
    (first,) = [record for record in result if record["room_id"] == rooms[0]]
    steps = [(step["action"], step["as"], step["status"]) for step in first.pop("steps")]
    assert steps == [
        ("make-room-admin", old.user_id, "done"),
        ("join", migration.new_user.user_id, "done"),
        ("set-level", old.user_id, "done"),
    ]
    assert first == {
        "room_id": rooms[0],
        "room": {"name": "Room 1", "version": "11"},
        "from": old.user_id,
        "to": migration.new_user.user_id,
        "outcome": "done",
        "reason": None,
        "message": f"{migration.new_user.user_id} has control; {old.user_id} has level 0.",
        "power_level": {
            "needed": 100,
            "from": {"before": 100, "after": 0},
            "to": {"before": 0, "after": 100},
        },
        "membership": {"before": "leave", "after": "join"},
    }
    # No other level has changed, no session has ended, and the rate limits are back in force.
    content = home.admin.levels_event(rooms[0])
    assert content is not None
    assert content["content"]["users"] == {migration.new_user.user_id: 100, friend.user_id: 50}
    assert old.synapse.client_server.whoami().user_id == old.user_id
    assert home.admin.synapse.devices.list(old.user_id).total == devices
    assert home.admin.synapse.users.ratelimit(home.admin.user_id).messages_per_second is None

    journal = journal_of(tmp_path)
    for secret in (old.token, migration.new_user.token, home.admin.token, "syt_"):
        assert secret not in journal + answer.stdout + answer.stderr
    lines = [json.loads(line) for line in journal.splitlines()]
    assert {line["run"] for line in lines} == {lines[0]["run"]}
    joins = [line for line in lines if "/join/" in line["path"]]
    assert {(line["server"], line["user"]) for line in joins} == {
        (migration.new_server.url, migration.new_user.user_id)
    }
    lowered = [line for line in lines if line["method"] == "PUT" and "m.room.power_levels" in line["path"]]
    assert {line["on_behalf_of"] for line in lowered} == {old.user_id}


def test_room_that_bans_the_new_owner_is_not_transferred(migration: Migration, synadmin: Synadmin) -> None:
    rooms = migration.make_rooms(5)
    banned = rooms[2]
    migration.old_user.ban(banned, migration.new_user)
    before = migration.levels_event_id(banned)
    answer = transfer(synadmin, migration, "--space", migration.make_space(rooms), *ALLOWED)
    assert answer.code == 6
    outcomes = {record["room_id"]: (record["outcome"], record["reason"]) for record in records(answer)}
    assert outcomes.pop(banned) == ("refused", "target-banned")
    assert set(outcomes.values()) == {("done", None)}
    assert len(outcomes) == 5
    migration.assert_unchanged(banned, before)
    assert migration.old_server.admin.membership(banned, migration.new_user) == "ban"
    for room_id in outcomes:
        migration.assert_transferred(room_id)
    assert answer.stderr.splitlines()[-1] == "6 rooms: 5 done, 1 refused."


def test_transfer_without_impersonation_is_refused_before_any_change(
    migration: Migration, synadmin: Synadmin
) -> None:
    (room_id,) = migration.make_rooms(1)
    before = migration.levels_event_id(room_id)
    answer = transfer(synadmin, migration, room_id, "--yes", "-o", "json")
    (record,) = records(answer)
    assert (answer.code, record["outcome"], record["reason"]) == (5, "refused", "needs-impersonate")
    assert "--allow impersonate" in record["message"]
    migration.assert_unchanged(room_id, before)
    assert migration.old_server.admin.membership(room_id, migration.new_user) is None
    text = transfer(synadmin, migration, room_id, "--yes").stdout
    to = f"--to {migration.new_user.user_id} --old-owner {migration.old_user.user_id}"
    hint = f"hint: `synadmin room transfer '{room_id}' {to} --allow impersonate`"
    assert text.splitlines()[-1].strip() == hint


def test_dry_run_of_a_transfer_changes_nothing(
    migration: Migration, synadmin: Synadmin, tmp_path: Path
) -> None:
    rooms = migration.make_rooms(2)
    before = [migration.levels_event_id(room_id) for room_id in rooms]
    answer = transfer(synadmin, migration, *rooms, *ALLOWED, "--dry-run")
    assert answer.code == 0
    assert {record["outcome"] for record in records(answer)} == {"planned"}
    for room_id, event in zip(rooms, before, strict=True):
        migration.assert_unchanged(room_id, event)
    assert not (tmp_path / "state" / "synadmin" / "journal.sqlite3").exists()


def test_room_not_controlled_by_the_old_owner_is_refused(
    migration: Migration, synadmin: Synadmin, newcomer: Newcomer
) -> None:
    chair = newcomer("chair", server=migration.old_server)
    room_id = chair.make_room("Committee", members=[migration.old_user])
    before = migration.levels_event_id(room_id)
    answer = transfer(synadmin, migration, room_id, *ALLOWED)
    (record,) = records(answer)
    assert (answer.code, record["outcome"], record["reason"]) == (5, "refused", "insufficient-power")
    assert f"{chair.user_id} has control" in record["message"]
    assert f"synadmin room make-admin '{room_id}' --user {migration.new_user.user_id}" in record["message"]
    assert migration.levels_event_id(room_id) == before


def test_plan_names_who_keeps_control_and_who_lowers_an_absent_owner(
    migration: Migration, synadmin: Synadmin, newcomer: Newcomer
) -> None:
    chair, old, new = newcomer("chair", server=migration.old_server), migration.old_user, migration.new_user
    room_id = chair.make_room("Committee", members=[old], users={old: 100}, left=[old])
    answer = transfer(synadmin, migration, room_id, *ALLOWED, "--dry-run")
    (planned,) = records(answer)
    assert planned["message"].endswith(f"{chair.user_id} keeps control.")
    details = [step["detail"] for step in planned["steps"]]
    assert (
        details[0]
        == f"Give {new.user_id} level 100 through {chair.user_id} (Make Room Admin), and invite them."
    )
    assert details[1] == f"Join the room as {new.user_id}."
    assert details[2].startswith(f"Act as {old.user_id}, ")
    assert details[2].endswith(f"lower {old.user_id} from 100 to 0.")
    text = transfer(synadmin, migration, room_id, "--allow", "impersonate", "--dry-run").stdout
    assert f"  1.    {details[0]}" in text

    (record,) = records(transfer(synadmin, migration, room_id, *ALLOWED))
    assert (record["outcome"], {step["status"] for step in record["steps"]}) == ("done", {"done"})
    event = migration.old_server.admin.levels_event(room_id)
    assert event is not None
    assert event["content"]["users"] == {chair.user_id: 100, new.user_id: 100}
    assert migration.old_server.admin.membership(room_id, old) == "leave"


def test_transfer_that_leaves_local_members_without_control_is_refused(
    migration: Migration, synadmin: Synadmin, newcomer: Newcomer
) -> None:
    friend, second = (
        newcomer("friend", server=migration.old_server),
        newcomer("second", server=migration.old_server),
    )
    alone = migration.old_user.make_room("Friends", members=[friend])
    shared = migration.old_user.make_room("Shared", members=[second], users={second: 100})
    before = migration.levels_event_id(alone)
    answer = transfer(synadmin, migration, alone, shared, *ALLOWED)
    assert answer.code == 6
    result = {record["room_id"]: (record["outcome"], record["reason"]) for record in records(answer)}
    assert result == {alone: ("refused", "would-lose-control"), shared: ("done", None)}
    migration.assert_unchanged(alone, before)
    text = transfer(synadmin, migration, alone, "--allow", "impersonate", "--dry-run").stdout
    assert text.endswith(" --allow impersonate --leave-rooms`\n")
    # With a new owner on the same server, the local members keep control.
    to = (
        "--to",
        friend.user_id,
        "--old-owner",
        migration.old_user.user_id,
        "--allow",
        "impersonate",
        "--yes",
    )
    assert synadmin("room", "transfer", alone, *to, server=migration.old_server).code == 0


def test_version_12_creator_stays_and_the_new_owner_can_upgrade(
    migration: Migration, synadmin: Synadmin
) -> None:
    (room_id,) = migration.make_rooms(1, version="12")
    answer = transfer(synadmin, migration, room_id, *ALLOWED)
    (record,) = records(answer)
    assert (answer.code, record["outcome"], record["reason"]) == (6, "partly", "creator-stays")
    assert record["power_level"]["from"] == {"before": "creator", "after": "creator"}
    assert migration.levels_and_membership(migration.old_server, room_id)[1:] == (150, "join")
    eventually(lambda: migration.levels_and_membership(migration.new_server, room_id)[1:], (150, "join"))
    path = f"/_matrix/client/v3/rooms/{room_id}/upgrade"
    replaced = migration.new_user.call("POST", path, {"new_version": "12"})["replacement_room"]
    create = migration.new_server.admin.state_events(replaced, "m.room.create")
    assert [event["sender"] for event in create] == [migration.new_user.user_id]


def test_rooms_of_a_transfer_are_given_by_alias_and_file(
    migration: Migration, synadmin: Synadmin, tmp_path: Path
) -> None:
    name = migration.old_user.user_id[1:].partition(":")[0]
    by_alias = migration.old_user.create_room("By its address", alias=f"home-{name}")
    (listed,) = migration.make_rooms(1)
    alias = f"#home-{name}:{migration.old_server.server_name}"
    unknown = f"#nowhere:{migration.old_server.server_name}"
    (tmp_path / "rooms.txt").write_text(f"{alias}\n{listed}\n{unknown}\n", "utf-8")
    answer = transfer(synadmin, migration, alias, "--from", "rooms.txt", *ALLOWED)
    assert answer.code == 6
    result = [(record["room_id"], record["outcome"], record["reason"]) for record in records(answer)]
    assert sorted(result, key=str) == sorted(
        [(None, "refused", "unknown-alias"), (by_alias, "done", None), (listed, "done", None)], key=str
    )
    migration.assert_transferred(by_alias)
    migration.assert_transferred(listed)


def test_new_owner_may_be_on_the_same_server(
    migration: Migration, synadmin: Synadmin, newcomer: Newcomer
) -> None:
    heir = newcomer("heir", server=migration.old_server)
    (room_id,) = migration.make_rooms(1)
    arguments = (
        "--to",
        heir.user_id,
        "--old-owner",
        migration.old_user.user_id,
        "--allow",
        "impersonate",
        "--yes",
    )
    answer = synadmin("room", "transfer", room_id, *arguments, server=migration.old_server)
    assert answer.code == 0, answer.stderr
    assert answer.stdout == (
        f"Room 1: {room_id} (room version 11)\n"
        f"  done: {heir.user_id} has control; {migration.old_user.user_id} has level 0.\n"
    )
    assert migration.old_server.admin.membership(room_id, heir) == "join"
    event = migration.old_server.admin.levels_event(room_id)
    assert event is not None
    assert event["content"]["users"] == {heir.user_id: 100}


def test_suspended_old_owner_is_unsuspended_only_where_allowed(
    migration: Migration, synadmin: Synadmin
) -> None:
    (room_id,) = migration.make_rooms(1)
    admin = migration.old_server.admin
    admin.suspend(migration.old_user)
    before = migration.levels_event_id(room_id)
    answer = transfer(synadmin, migration, room_id, *ALLOWED)
    (record,) = records(answer)
    assert (answer.code, record["outcome"], record["reason"]) == (5, "refused", "needs-reactivate")
    assert migration.levels_event_id(room_id) == before
    answer = transfer(synadmin, migration, room_id, *ALLOWED, "--allow", "reactivate")
    assert answer.code == 0, answer.stderr
    migration.assert_transferred(room_id)
    assert admin.synapse.users.get(migration.old_user.user_id).suspended


def test_transfer_with_an_equal_remote_user_is_refused(
    migration: Migration, synadmin: Synadmin, newcomer: Newcomer
) -> None:
    equal = newcomer("equal", server=migration.new_server)
    (room_id,) = migration.make_rooms(1)
    migration.old_user.bring_in(room_id, equal)
    migration.old_user.set_power(room_id, {equal: 100})
    before = migration.levels_event_id(room_id)
    to = ("--to", migration.new_user.user_id, "--old-owner", equal.user_id)
    answer = synadmin("room", "transfer", room_id, *to, *ALLOWED, server=migration.old_server)
    (record,) = records(answer)
    assert (answer.code, record["outcome"], record["reason"]) == (5, "refused", "insufficient-power")
    assert "on another server" in record["message"]
    migration.assert_unchanged(room_id, before)


def test_finished_transfer_changes_nothing(migration: Migration, synadmin: Synadmin) -> None:
    (room_id,) = migration.make_rooms(1)
    assert transfer(synadmin, migration, room_id, *ALLOWED).code == 0
    event = migration.levels_event_id(room_id)
    answer = transfer(synadmin, migration, room_id, *ALLOWED)
    (record,) = records(answer)
    assert (answer.code, record["outcome"]) == (0, "done")
    assert record["message"].endswith("has no power.")
    assert migration.levels_event_id(room_id) == event
    # The transfer cannot be undone: no user has a higher level than the new owner.
    undone = synadmin(
        "journal", "undo", "last", "--allow", "impersonate", "--yes", server=migration.old_server
    )
    assert undone.code == 5, undone.stdout + undone.stderr
    assert migration.levels_event_id(room_id) == event


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--as-member", "--old-owner", "somebody"), "the token must be @somebody:"),
        (("--as-member", "--allow", "impersonate"), "--as-member does not use one"),
        (("--old-owner", "@new"), "not"),
        (("--from", "@somebody:old.example"), "--old-owner @somebody:old.example"),
        (("--rooms-from", "rooms.txt"), "--rooms-from is now --from FILE"),
        ((), "no room is named"),
    ],
    ids=[
        "--as-member with another old owner",
        "--as-member with --allow",
        "invalid user id",
        "--from for the old owner",
        "--rooms-from",
        "no room",
    ],
)
def test_invalid_transfer_is_refused_before_any_change(
    migration: Migration, synadmin: Synadmin, arguments: tuple[str, ...], words: str
) -> None:
    rooms = migration.make_rooms(1) if arguments else []
    answer = synadmin(
        "room",
        "transfer",
        *rooms,
        "--to",
        migration.new_user.user_id,
        *arguments,
        "--yes",
        server=migration.old_server,
    )
    assert answer.code == 2
    assert words in answer.stderr


@pytest.mark.parametrize("old_owner", ["unregistered", "without power"])
def test_old_owner_without_power_is_refused(
    migration: Migration, synadmin: Synadmin, newcomer: Newcomer, old_owner: str
) -> None:
    (room_id,) = migration.make_rooms(1)
    home = migration.old_server
    old = (
        home.user_id("never-registered")
        if old_owner == "unregistered"
        else newcomer("by", server=home).user_id
    )
    before = migration.levels_event_id(room_id)
    to = ("--to", migration.new_user.user_id, "--old-owner", old, *ALLOWED)
    answer = synadmin("room", "transfer", room_id, *to, server=home)
    (record,) = records(answer)
    reason = "target-unknown" if old_owner == "unregistered" else "insufficient-power"
    assert (answer.code, record["outcome"], record["reason"]) == (5, "refused", reason)
    migration.assert_unchanged(room_id, before)


def test_new_owner_unknown_to_its_server_is_refused(migration: Migration, synadmin: Synadmin) -> None:
    (room_id,) = migration.make_rooms(1)
    before = migration.levels_event_id(room_id)
    unregistered = migration.new_server.user_id("never-registered")
    to = (
        "--to",
        unregistered,
        "--old-owner",
        migration.old_user.user_id,
        "--allow",
        "impersonate",
        "--yes",
        "-o",
        "json",
    )
    answer = synadmin("room", "transfer", room_id, *to, server=migration.old_server)
    (record,) = records(answer)
    assert (answer.code, record["outcome"], record["reason"]) == (5, "refused", "target-unknown")
    assert unregistered in record["message"]
    migration.assert_unchanged(room_id, before)


def test_old_owner_loses_control_that_all_members_have_by_default(
    migration: Migration, synadmin: Synadmin
) -> None:
    (room_id,) = migration.make_rooms(1, levels={"users_default": 100})
    planned = transfer(synadmin, migration, room_id, *ALLOWED, "--dry-run")
    (plan,) = records(planned)
    assert plan["message"].endswith("all members without a level of their own keep control.")
    answer = transfer(synadmin, migration, room_id, *ALLOWED)
    assert answer.code == 0, answer.stderr
    migration.assert_transferred(room_id)
    again = transfer(synadmin, migration, room_id, *ALLOWED)
    assert [record["message"] for record in records(again)] == [
        f"{migration.new_user.user_id} already has control, and {migration.old_user.user_id} has no power."
    ]
