"""``room transfer --as-member``: with the tokens of the two accounts, and without a server admin."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from synadmin.ids import UserId
from synadmin.sandbox.homeserver import Homeserver
from tests.live.recovery.proxy import Passing, Proxy
from tests.live.transfer.conftest import Migration, eventually, write_profile
from tests.written import journal_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.live.conftest import Answer, Newcomer, Synadmin
    from tests.live.transfer.conftest import Running


def records(answer: Answer) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(answer.stdout)
    return found


def transfer(
    synadmin: Synadmin, migration: Migration, *arguments: str, profile: str | None = "new"
) -> Answer:
    options = ["--to", migration.new_user.user_id, "--as-member", "--yes", "-o", "json"]
    options += ["--to-profile", profile] if profile else []
    return synadmin(
        "room", "transfer", *arguments, *options, server=migration.old_server, acting=migration.old_user
    )


def test_space_is_transferred_except_a_room_that_bans_the_new_owner(
    migration: Migration, synadmin: Synadmin, tmp_path: Path
) -> None:
    rooms = migration.make_rooms(5)
    banned = rooms[2]
    migration.old_user.ban(banned, migration.new_user)
    before = migration.levels_event_id(banned)
    space = migration.make_space(rooms)

    answer = transfer(synadmin, migration, "--space", space)

    assert answer.code == 6
    outcomes = {record["room_id"]: (record["outcome"], record["reason"]) for record in records(answer)}
    assert list(outcomes)[-1] == space
    assert outcomes.pop(banned) == ("refused", "target-banned")
    assert outcomes == dict.fromkeys([*rooms[:2], *rooms[3:], space], ("done", None))
    migration.assert_unchanged(banned, before)
    for room_id in outcomes:
        migration.assert_transferred(room_id)
        migration.new_user.send_state(room_id, "m.room.topic", {"topic": "Now from the other bank"})

    journal = journal_of(tmp_path)
    for secret in (migration.old_user.token, migration.new_user.token, "syt_"):
        assert secret not in journal + answer.stdout + answer.stderr
    lines = [json.loads(line) for line in journal.splitlines()]
    assert {line["run"] for line in lines} == {lines[0]["run"]}
    at_home = [line for line in lines if line["server"] == migration.old_server.url]
    assert {(line["user"], line.get("on_behalf_of")) for line in at_home} == {
        (migration.old_user.user_id, None)
    }
    # In each room three changes: the new level, the invitation, and the removal of the old level.
    assert len(at_home) == 3 * len(outcomes)
    assert {line["user"] for line in lines if line not in at_home} == {migration.new_user.user_id}
    assert not any("_synapse" in line["path"] for line in lines)
    assert migration.old_user.synapse.client_server.whoami().user_id == migration.old_user.user_id

    again = transfer(synadmin, migration, "--space", space)
    assert again.code == 6
    assert {record["outcome"] for record in records(again)} == {"done", "refused"}
    assert journal_of(tmp_path) == journal


def test_member_transfer_that_is_not_possible_is_refused(
    migration: Migration, synadmin: Synadmin, newcomer: Newcomer
) -> None:
    chair = newcomer("chair", server=migration.old_server)
    another = chair.make_room("Another's", members=[migration.old_user])
    elsewhere = chair.create_room("Not in it")
    (closed,) = migration.make_rooms(1, creation={"m.federate": False})
    before = migration.levels_event_id(closed)
    answer = transfer(synadmin, migration, another, elsewhere, closed)
    assert answer.code == 5
    result = {record["room_id"]: record for record in records(answer)}
    assert result[another]["reason"] == "insufficient-power"
    assert (
        result[another]["message"]
        == f"{migration.old_user.user_id} does not have control of it: level 100 is needed"
    )
    assert result[closed]["reason"] == "insufficient-power"
    assert "unfederatable" in result[closed]["message"]
    (unseen,) = [record for record in records(answer) if record["reason"] == "not-in-room"]
    assert elsewhere in unseen["message"]
    migration.assert_unchanged(closed, before)


def test_version_12_creator_stays_and_the_outcome_reports_this(
    migration: Migration, synadmin: Synadmin
) -> None:
    (room_id,) = migration.make_rooms(1, version="12")
    dry_run = transfer(synadmin, migration, room_id, "--dry-run")
    assert "it cannot be removed" in records(dry_run)[0]["message"]
    answer = transfer(synadmin, migration, room_id)
    (record,) = records(answer)
    assert (answer.code, record["outcome"], record["reason"]) == (6, "partly", "creator-stays")
    eventually(lambda: migration.levels_and_membership(migration.new_server, room_id)[1:], (150, "join"))


def test_transfer_where_the_default_level_gives_control(migration: Migration, synadmin: Synadmin) -> None:
    levels = {"users": {migration.old_user.user_id: 100}, "users_default": 50}
    room_id = migration.old_user.make_room("Everybody moderates", exact_levels=levels)
    answer = transfer(synadmin, migration, room_id)
    assert answer.code == 0, answer.stdout
    migration.assert_transferred(room_id)


def test_old_room_with_only_a_users_list_is_transferred(migration: Migration, synadmin: Synadmin) -> None:
    room_id = migration.old_user.make_room(
        "Since 2018", version="6", exact_levels={"users": {migration.old_user.user_id: 100}}
    )
    answer = transfer(synadmin, migration, room_id)
    assert answer.code == 0, answer.stdout
    migration.assert_transferred(room_id)


@pytest.mark.parametrize(("number", "outcome"), [(1, "done"), (2, "failed")])
def test_concurrent_level_change_is_kept_or_reported_as_lost(
    migration: Migration, newcomer: Newcomer, running: Running, number: int, outcome: str
) -> None:
    friend = newcomer("friend", server=migration.old_server)
    guest = UserId(f"@guest:{migration.old_server.server_name}")
    room_id = migration.old_user.make_room(members=[friend], users={friend: 100})
    sent: list[Passing] = []

    def on_request(passing: Passing) -> None:
        if passing.method == "PUT" and "/m.room.power_levels" in passing.path and not passing.answered:
            sent.append(passing)
            if len(sent) == number:  # 1: the new owner gets the level; 2: the old owner lowers itself
                friend.set_power(room_id, {guest: 7})

    options = [
        "--to",
        migration.new_user.user_id,
        "--to-profile",
        "new",
        "--as-member",
        "--yes",
        "-o",
        "json",
    ]
    with Proxy(migration.old_server.url, on_request) as proxy:
        arguments = ("room", "transfer", room_id, *options)
        with running(*arguments, acting=migration.old_user, url=proxy.here) as process:
            stdout, stderr = process.communicate()
    (record,) = json.loads(stdout)
    assert record["outcome"] == outcome, stderr
    assert ("a change that another user made at the same time is lost" in record["message"]) == (number == 2)
    migration.assert_transferred(room_id)
    event = migration.old_server.admin.levels_event(room_id)
    assert event is not None
    assert event["content"]["users"].get(guest) == (7 if number == 1 else None)


@pytest.mark.parametrize("token_of", ["no user", "another user"])
def test_profile_of_another_user_stops_the_transfer_before_any_change(
    migration: Migration, synadmin: Synadmin, newcomer: Newcomer, tmp_path: Path, token_of: str
) -> None:
    (room_id,) = migration.make_rooms(1)
    before = migration.levels_event_id(room_id)
    other = newcomer("other", server=migration.new_server)
    write_profile(tmp_path, other, migration.new_server, "wrong")
    if token_of == "no user":
        other.synapse.client_server.logout()
    answer = transfer(synadmin, migration, room_id, profile="wrong")
    assert answer.code == (2 if token_of == "another user" else 3)
    assert other.token not in answer.stderr
    if token_of == "another user":
        words = f"the profile wrong holds the token of {other.user_id}, not of {migration.new_user.user_id}"
        assert words in answer.stderr
    migration.assert_unchanged(room_id, before)
    missing = transfer(synadmin, migration, room_id, profile="nowhere")
    assert missing.code == 2
    assert "nowhere" in missing.stderr
    migration.assert_unchanged(room_id, before)


def test_rate_limited_invitations_are_sent_by_a_later_run(migration: Migration, synadmin: Synadmin) -> None:
    limits = {"rc_invites": {"per_user": {"per_second": 0.001, "burst_count": 2}}}
    with Homeserver(federates=True, extra_config=limits) as strict:
        old = strict.register("old")
        limited_migration = Migration(strict, migration.new_server, old, migration.new_user)
        rooms = limited_migration.make_rooms(3)
        answer = transfer(synadmin, limited_migration, *rooms, "--wait", "1s")
        result = records(answer)
        assert answer.code == 6
        assert [record["outcome"] for record in result] == ["done", "done", "pending"]
        late = result[-1]
        assert (late["reason"], late["membership"]["after"]) == ("rate-limited", "leave")
        assert "delay the invitation" in late["message"]
        assert late["power_level"]["from"] == {"before": 100, "after": 100}
        assert strict.admin.membership(rooms[2], limited_migration.new_user) is None
        with strict.admin.lifted_limits(old):
            again = transfer(synadmin, limited_migration, *rooms)
        assert again.code == 0, again.stdout
        for room_id in rooms:
            limited_migration.assert_transferred(room_id)
