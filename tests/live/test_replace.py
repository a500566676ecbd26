"""``room replace``: the new room, its members and settings, and the old room."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from synadmin.ids import RoomAlias
from tests.live.conftest import environment_of, running
from tests.live.recovery.proxy import Proxy
from tests.unit.cli.terminal import Terminal

if TYPE_CHECKING:
    from pathlib import Path

    from synadmin.ids import RoomId
    from synadmin.sandbox.accounts import Person
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.conftest import Answer, Newcomer, Synadmin
    from tests.live.recovery.proxy import Passing

TOPIC = {"topic": "Where the boats are"}
ENCRYPTED = {"algorithm": "m.megolm.v1.aes-sha2"}


def record(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def content(admin: Person, room_id: RoomId, kind: str) -> dict[str, Any] | None:
    events = admin.state_events(room_id, kind)
    return next((event["content"] for event in events if event["state_key"] == ""), None)


def remotely_controlled_room(
    federation: tuple[Homeserver, Homeserver],
    newcomer: Newcomer,
    *members: Person,
    **room: Any,  # noqa: ANN401
) -> tuple[RoomId, Person]:
    """Make a room in which only a user of the other server has control."""
    _, theirs = federation
    remote_admin = newcomer("chair", server=theirs)
    room_id = remote_admin.make_room("Regional league", members=members, **room)
    return room_id, remote_admin


def test_room_controlled_by_another_server_is_replaced_with_all_local_members(
    federation: tuple[Homeserver, Homeserver], newcomer: Newcomer, synadmin: Synadmin
) -> None:
    ours, _ = federation
    mike, nora = newcomer("mike", server=ours), newcomer("nora", server=ours)
    invited = newcomer("invited", server=ours)
    topic = {"type": "m.room.topic", "state_key": "", "content": TOPIC}
    secret = {"type": "m.room.encryption", "state_key": "", "content": ENCRYPTED}
    room_id, remote_admin = remotely_controlled_room(
        federation, newcomer, mike, nora, invited=[invited], state=[topic, secret], levels={"invite": 0}
    )
    alias = RoomAlias(f"#league-{mike.user_id[1:].partition(':')[0]}:{ours.server_name}")
    ours.admin.call("PUT", f"/_matrix/client/v3/directory/room/%23{alias[1:]}", {"room_id": room_id})

    dry_run = synadmin("room", "replace", alias, "--admin", "admin", "--dry-run", "-o", "json", server=ours)
    assert (dry_run.code, record(dry_run)["outcome"]) == (0, "planned"), dry_run.stderr
    assert record(dry_run)["members"] == sorted([mike.user_id, nora.user_id])
    assert ours.admin.membership(room_id, mike) == "join"

    unconfirmed = synadmin("room", "replace", alias, "--admin", "admin", "--yes", server=ours)
    assert unconfirmed.code == 5
    assert f"--confirm '{alias}'" in unconfirmed.stderr
    assert ours.admin.membership(room_id, mike) == "join"

    arguments = ("room", "replace", alias, "--admin", "admin", "--confirm", alias, "-o", "json")
    answer = synadmin(*arguments, "--message", "We go on here.", server=ours)

    assert answer.code == 0, answer.stdout + answer.stderr
    result = record(answer)
    new = result["new_room_id"]
    assert (result["outcome"], result["reason"], result["control"]) == ("done", None, True)
    assert result["moved"] == sorted([mike.user_id, nora.user_id])
    assert (result["not_moved"], result["aliases"]) == ([], [alias])
    assert (result["members_may_speak"], result["join_rule"]) == (True, "invite")
    admin = ours.admin
    for who in (mike, nora):
        assert admin.membership(new, who) == "join"
        body = {"msgtype": "m.text", "body": "Here we are"}
        who.call("PUT", f"/_matrix/client/v3/rooms/{new}/send/m.room.message/1", body)
    assert admin.membership(new, invited) == "invite"
    assert (result["invited"], result["not_invited"]) == ([invited.user_id], [])
    assert mike.synapse.client_server.resolve_alias(alias).room_id == new
    assert content(admin, new, "m.room.canonical_alias") is None, (
        "the alias was not the canonical alias of the old room"
    )
    assert content(admin, new, "m.room.topic") == TOPIC
    assert content(admin, new, "m.room.encryption") == ENCRYPTED
    assert content(admin, new, "m.room.name") == {"name": "Regional league"}
    levels = content(admin, new, "m.room.power_levels")
    assert levels is not None
    assert levels["users_default"] == 0
    # Only invited users can join, although Synapse makes its new room public.
    assert content(admin, new, "m.room.join_rules") == {"join_rule": "invite"}
    events = admin.call("GET", f"/_synapse/admin/v1/rooms/{new}/messages", query={"limit": 50, "dir": "b"})
    messages = [
        event["content"].get("body") for event in events["chunk"] if event["type"] == "m.room.message"
    ]
    assert "We go on here." in messages
    # The old room still exists, without local members, and is not blocked. Remote members can still use it.
    assert admin.synapse.rooms.get(room_id).joined_local_members == 0
    assert not admin.synapse.rooms.block_status(room_id).block
    assert remote_admin.state(room_id, "m.room.topic") == TOPIC

    # A second run finds the new room and makes no other one.
    again = synadmin(
        "room", "replace", room_id, *arguments[3:5], "--confirm", room_id, "-o", "json", server=ours
    )
    assert again.code == 0, again.stdout + again.stderr
    assert record(again)["new_room_id"] == new
    assert content(admin, new, "m.room.join_rules") == {"join_rule": "invite"}


def test_room_that_can_be_regained_is_not_replaced(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    chair, heir = newcomer("chair"), newcomer("heir")
    present = chair.create_room("Committee")
    departed = chair.make_room("Boathouse", members=[heir], left=[chair])
    own = homeserver.admin.create_room("Mine")
    blocked = chair.create_room("Blocked")
    homeserver.admin.block(blocked)
    space = chair.create_room("The club", space=True)
    for room_id, reason, words in (
        (present, "can-be-regained", f"synadmin room make-admin '{present}'`"),
        (departed, "can-be-regained", f"synadmin room make-admin '{departed}' --allow impersonate`"),
        (own, "not-lost", "already has control of it"),
        (blocked, "room-blocked", f"synadmin room unblock '{blocked}'"),
        (space, "is-a-space", "is not a space"),
    ):
        arguments = ("room", "replace", room_id, "--admin", "admin", "--confirm", room_id, "-o", "json")
        answer = synadmin(*arguments)
        assert (answer.code, record(answer)["outcome"], record(answer)["reason"]) == (5, "refused", reason)
        assert words in record(answer)["message"]
        assert "--anyway" in record(answer)["message"]
        assert homeserver.admin.synapse.rooms.members(room_id).members
        with pytest.raises(Exception, match="No delete task"):
            homeserver.admin.synapse.room_deletion.of_room(room_id)
    text = synadmin("room", "replace", space, "--admin", "admin").stdout
    again = f"synadmin room replace '{space}' --admin {homeserver.admin.user_id} --anyway"
    assert text.splitlines()[-1].strip() == f"hint: `{again}`"


def test_replacement_for_another_admin_needs_impersonation(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    chair, heir, mike = newcomer("chair"), newcomer("heir"), newcomer("mike")
    rooms = [chair.make_room("Committee", members=[mike], public=True, version="12") for _ in range(2)]
    arguments = ("--admin", heir.user_id, "--anyway", "-o", "json")
    answer = synadmin("room", "replace", rooms[0], *arguments, "--confirm", rooms[0])
    assert (answer.code, record(answer)["reason"]) == (5, "needs-impersonate")
    assert "--allow impersonate" in record(answer)["message"]
    text = synadmin("room", "replace", rooms[0], *arguments[:3]).stdout
    again = f"synadmin room replace '{rooms[0]}' --admin {heir.user_id} --allow impersonate --anyway"
    assert text.splitlines()[-1].strip() == f"hint: `{again}`"

    devices = homeserver.admin.synapse.devices.list(heir.user_id).total
    answer = synadmin(
        "room", "replace", rooms[0], *arguments, "--confirm", rooms[0], "--allow", "impersonate", "--block"
    )
    result = record(answer)
    assert (answer.code, result["outcome"], result["control"]) == (0, "done", True), answer.stdout
    assert (result["members_may_speak"], result["join_rule"]) == (True, "public")
    assert homeserver.admin.membership(result["new_room_id"], heir) == "join"
    assert homeserver.admin.membership(result["new_room_id"], homeserver.admin) is None
    assert homeserver.admin.synapse.devices.list(heir.user_id).total == devices
    assert homeserver.admin.synapse.rooms.block_status(rooms[0]).block

    answer = synadmin("room", "replace", rooms[1], *arguments, "--confirm", rooms[1], "--muted", "--purge")
    result = record(answer)
    assert (answer.code, result["outcome"], result["members_may_speak"]) == (0, "done", False), answer.stdout
    assert f"only {heir.user_id} can send messages in it" in result["message"]
    assert set(result["moved"]) == {chair.user_id, mike.user_id}
    with pytest.raises(Exception, match="not found"):
        homeserver.admin.synapse.rooms.get(rooms[1])


def test_members_that_were_not_moved_are_named(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    chair, stuck = newcomer("chair"), newcomer("stuck")
    room_id = chair.make_room("Committee", members=[stuck])
    homeserver.admin.suspend(stuck)
    answer = synadmin(
        "room", "replace", room_id, "--admin", "admin", "--anyway", "--confirm", room_id, "-o", "json"
    )
    result = record(answer)
    assert (answer.code, result["outcome"], result["reason"]) == (6, "partly", "not-moved")
    assert (result["moved"], result["not_moved"]) == ([chair.user_id], [stuck.user_id])
    assert stuck.user_id in result["message"]
    assert homeserver.admin.membership(result["new_room_id"], stuck) == "invite", "the user can join later"


def test_unusable_admin_does_not_get_the_new_room(
    federation: tuple[Homeserver, Homeserver],
    homeserver: Homeserver,
    newcomer: Newcomer,
    synadmin: Synadmin,
) -> None:
    room_id = newcomer("chair").create_room("Committee")
    suspended = newcomer("suspended")
    homeserver.admin.suspend(suspended)
    for name, reason in (("nobody-of-that-name", "target-unknown"), (suspended.user_id, "target-suspended")):
        answer = synadmin("room", "replace", room_id, "--admin", name, "--confirm", room_id, "-o", "json")
        assert (answer.code, record(answer)["reason"]) == (5, reason)
    foreigner = federation[1].admin.user_id
    answer = synadmin("room", "replace", room_id, "--admin", foreigner, "--confirm", room_id)
    assert answer.code == 2
    assert "is not a user of this server" in answer.stderr
    answer = synadmin("room", "replace", "!unknown:club.example", "--admin", "admin", "--confirm", "x")
    assert answer.code == 4


def test_killed_replacement_is_finished_by_resume(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin, tmp_path: Path
) -> None:
    chair, mike = newcomer("chair"), newcomer("mike")
    secret = {"type": "m.room.encryption", "state_key": "", "content": ENCRYPTED}
    room_id = chair.make_room("Committee", members=[mike], state=[secret], join_rule="knock", alias="meet")
    admin = homeserver.admin

    def killed(passing: Passing) -> None:
        # The server has started the deletion. The command never gets the answer.
        if passing.method == "DELETE" and passing.answered:
            process.kill()
            process.wait()

    command = ["room", "replace", room_id, "--admin", "admin", "--confirm", room_id, "--anyway"]
    with Proxy(homeserver.url, killed) as proxy:
        with running(tmp_path, proxy.here, admin, *command) as process:
            process.wait(60)
        assert process.returncode == -9
        proxy.on_request = lambda _: None
        here = {"SYNADMIN_HOMESERVER": proxy.here}
        answer = synadmin("journal", "resume", "last", "-o", "json", env=here)
    result = record(answer)
    assert (answer.code, result["outcome"], result["members_may_speak"]) == (0, "done", True), answer.stdout
    assert set(result["moved"]) == {chair.user_id, mike.user_id}
    (deletion,) = admin.synapse.room_deletion.of_room(room_id).results
    assert deletion.delete_id == result["delete_id"]
    new = result["new_room_id"]
    # The state of the old room is read from the journal: the server has deleted it.
    assert content(admin, new, "m.room.encryption") == ENCRYPTED
    assert content(admin, new, "m.room.join_rules") == {"join_rule": "knock"}
    assert content(admin, new, "m.room.canonical_alias") == {"alias": "#meet:club.example"}


def test_room_that_was_replaced_meanwhile_gets_no_second_new_room(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin, tmp_path: Path
) -> None:
    chair, mike = newcomer("chair"), newcomer("mike")
    room_id = chair.make_room("Committee", members=[mike])
    command = ["room", "replace", room_id, "--admin", "admin", "--confirm", room_id, "--anyway", "-o", "json"]
    other_answers: list[Answer] = []

    def on_request(passing: Passing) -> None:
        # Another run starts and ends after the plan of this run, and before its first change.
        if "/_synapse/admin/v2/users/" in passing.path and not other_answers:
            other_answers.append(synadmin(*command))

    with (
        Proxy(homeserver.url, on_request) as proxy,
        running(tmp_path, proxy.here, homeserver.admin, *command) as process,
    ):
        stdout, stderr = process.communicate()
    assert process.returncode == 0, stderr
    assert json.loads(stdout)["new_room_id"] == record(other_answers[0])["new_room_id"]
    assert len(homeserver.admin.synapse.room_deletion.of_room(room_id).results) == 1


@pytest.mark.parametrize("acting", ["for the caller", "for another user"])
def test_new_room_is_closed_and_named_where_progress_is_unreadable(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin, acting: str
) -> None:
    chair, mike, heir = newcomer("chair"), newcomer("mike"), newcomer("heir")
    room_id = chair.make_room("Committee", members=[mike])
    admin = homeserver.admin
    owner = admin if acting == "for the caller" else heir
    command = ["room", "replace", room_id, "--admin", owner.user_id, "--confirm", room_id, "--anyway"]
    command += [] if owner is admin else ["--allow", "impersonate"]

    def on_request(passing: Passing) -> int | None:
        return 500 if "/delete_status/" in passing.path else None

    with Proxy(homeserver.url, on_request) as proxy:
        here = {"SYNADMIN_HOMESERVER": proxy.here}
        answer = synadmin(*command, "-o", "json", env=here)
        assert answer.code == 1, answer.stdout + answer.stderr
        (deletion,) = admin.synapse.room_deletion.of_room(room_id).results
        assert deletion.shutdown_room is not None
        new = deletion.shutdown_room.new_room_id
        assert new is not None
        assert (
            f"The new room {new} exists, its join rule is invite. 2 of 2 members are in it." in answer.stderr
        )
        assert f"to go on, run: synadmin room replace '{room_id}' --admin {owner.user_id}" in answer.stderr
        # The join rule and the levels are set, although the command could not read the end of the deletion.
        assert content(admin, new, "m.room.join_rules") == {"join_rule": "invite"}
        assert (content(admin, new, "m.room.power_levels") or {})["users_default"] == 0
        for member in (chair, mike):
            assert admin.membership(new, member) == "join"

        proxy.on_request = lambda _: None
        answer = synadmin("journal", "resume", "last", "-o", "json", env=here)
    result = record(answer)
    assert (answer.code, result["outcome"], result["new_room_id"]) == (0, "done", new), answer.stdout
    assert set(result["moved"]) == {chair.user_id, mike.user_id}
    assert len(admin.synapse.room_deletion.of_room(room_id).results) == 1


@pytest.mark.parametrize("answer", ["the room", "something else"])
def test_replace_asks_for_the_room_id_before_deleting(
    homeserver: Homeserver, newcomer: Newcomer, tmp_path: Path, answer: str
) -> None:
    chair = newcomer("chair")
    room_id = chair.create_room("Committee")
    arguments = ("-m", "synadmin", "room", "replace", room_id, "--admin", "admin", "--anyway")
    environment = environment_of(tmp_path, homeserver.url, homeserver.admin)
    with Terminal(*arguments, cwd=tmp_path, stdout=subprocess.DEVNULL, env=environment) as terminal:
        terminal.see("[y/N]: ")
        terminal.type("y\n")
        terminal.see(f"type {room_id}: ")
        terminal.type(f"{room_id if answer == 'the room' else 'yes'}\n")
        assert "1 user of this server will be removed from it" in terminal.shown
        assert "The history stays in the database" in terminal.shown
        assert terminal.end() == (0 if answer == "the room" else 5)
    assert homeserver.admin.membership(room_id, chair) == (None if answer == "the room" else "join")
    assert homeserver.admin.synapse.rooms.block_status(room_id).block == (answer == "the room")
