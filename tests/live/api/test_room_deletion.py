"""Room deletion, with the library and with commands, on a real Synapse."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from synadmin.errors import NotFoundError
from synadmin.ids import RoomId

if TYPE_CHECKING:
    from synadmin.api.room_deletion import DeletionStatus
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.conftest import Newcomer, Synadmin


def wait_until_finished(homeserver: Homeserver, delete_id: str) -> DeletionStatus:
    until = time.monotonic() + 60
    while (status := homeserver.admin.synapse.room_deletion.status(delete_id)).status in {
        "active",
        "scheduled",
    }:
        assert time.monotonic() < until
        time.sleep(0.05)
    return status


def is_known(homeserver: Homeserver, room_id: RoomId) -> bool:
    try:
        homeserver.admin.synapse.rooms.get(room_id)
    except NotFoundError:
        return False
    return True


def test_room_is_deleted_and_its_members_moved(homeserver: Homeserver, newcomer: Newcomer) -> None:
    alice, bob = newcomer("alice"), newcomer("bob")
    alias = alice.user_id[1:].partition(":")[0]
    room_id = alice.make_room("Spam", members=[bob], alias=alias)
    synapse = homeserver.admin.synapse

    started = synapse.room_deletion.delete(
        room_id,
        block=True,
        new_room_user_id=homeserver.admin.user_id,
        room_name="We have moved",
        message="Here.",
    )
    status = wait_until_finished(homeserver, started.delete_id)

    shut_down = status.shutdown_room
    assert shut_down is not None
    assert status.status == "complete"
    assert set(shut_down.kicked_users) == {alice.user_id, bob.user_id}
    assert shut_down.local_aliases == (f"#{alias}:{homeserver.server_name}",)
    assert shut_down.new_room_id is not None
    assert synapse.rooms.get(shut_down.new_room_id).name == "We have moved"
    assert synapse.room_deletion.of_room(room_id).results == (status,)
    assert synapse.rooms.block_status(room_id).block
    assert not is_known(homeserver, room_id)


def test_room_is_deleted_synchronously(homeserver: Homeserver, newcomer: Newcomer) -> None:
    alice = newcomer("alice")
    room_id = alice.make_room()
    deletion = homeserver.admin.synapse.room_deletion

    emptied = deletion.delete_at_once(room_id, purge=False)
    known = is_known(homeserver, room_id)
    deletion.delete_at_once(room_id, force_purge=True)

    assert emptied.kicked_users == (alice.user_id,)
    assert emptied.new_room_id is None
    assert known
    assert not is_known(homeserver, room_id)


def test_unknown_deletion_is_not_found(homeserver: Homeserver) -> None:
    deletion = homeserver.admin.synapse.room_deletion

    with pytest.raises(NotFoundError):
        deletion.status("no/such+deletion=")
    with pytest.raises(NotFoundError):
        deletion.of_room(RoomId("!never-deleted:club.example"))


def test_command_deletes_rooms_with_an_outcome_for_each(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice = newcomer("alice")
    alias = f"#{alice.user_id[1:]}"
    rooms = [alice.make_room(), alice.make_room(alias=alice.user_id[1:].partition(":")[0])]

    answer = synadmin(
        *("room", "delete", rooms[0], "--from", "-", "--yes", "-o", "ndjson"),
        stdin=f"{alias}\n!unknown:club.example",
    )

    first, second, unknown = [json.loads(line) for line in answer.stdout.splitlines()]
    assert answer.code == 6
    assert "2 of 3 succeeded, 1 failed." in answer.stderr
    assert [first["room_id"], second["room_id"]] == rooms
    assert first["kicked_users"] == second["kicked_users"] == [alice.user_id]
    assert (unknown["outcome"], unknown["errcode"]) == ("failed", "M_NOT_FOUND")
    assert not any(is_known(homeserver, room_id) for room_id in rooms)


def test_command_can_keep_the_room_in_the_database_and_block_it(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice = newcomer("alice")
    room_id = alice.make_room("Quiet")

    answer = synadmin("room", "delete", room_id, "--no-purge", "--block", "--at-once", "--yes")

    assert answer.code == 0, answer.stderr
    assert alice.user_id in answer.stdout
    assert is_known(homeserver, room_id)
    assert homeserver.admin.synapse.rooms.members(room_id).members == ()
    assert homeserver.admin.synapse.rooms.block_status(room_id).block


def test_command_moves_members_and_names_those_not_moved(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice, bob = newcomer("alice"), newcomer("bob")
    room_id = alice.make_room("Old", members=[bob])
    homeserver.admin.suspend(bob)

    answer = synadmin(
        *("room", "delete", room_id, "--new-room-user", "admin", "--room-name", "New", "--message", "Hello."),
        "--yes",
    )
    shown = synadmin("room", "delete-status", room_id, "-o", "json")

    (status,) = json.loads(shown.stdout)
    assert answer.code == 6
    assert status["shutdown_room"]["new_room_id"] in answer.stdout
    assert bob.user_id in answer.stdout
    assert status["shutdown_room"]["failed_to_kick_users"] == [bob.user_id]
    assert homeserver.admin.synapse.rooms.get(status["shutdown_room"]["new_room_id"]).name == "New"


def test_suspended_new_owner_is_refused(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice, mallory = newcomer("alice"), newcomer("mallory")
    room_id = alice.make_room("Stubborn")
    homeserver.admin.suspend(mallory)

    answer = synadmin("room", "delete", room_id, "--new-room-user", mallory.user_id, "--yes")

    assert answer.code == 5
    assert answer.stdout == ""
    assert "suspended" in answer.stderr
    assert is_known(homeserver, room_id)


def test_command_can_be_detached_and_followed_again(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    room_id = newcomer("alice").make_room()

    started = synadmin("room", "delete", room_id, "--no-wait", "--yes", "-o", "json")
    (result,) = json.loads(started.stdout)
    waited = synadmin("room", "delete-status", result["delete_id"], "--wait", "-o", "json")
    of_room = synadmin("room", "delete-status", room_id, "--wait")
    unknown = synadmin("room", "delete-status", "nonsense")

    assert started.code == 0
    assert result["outcome"] == "pending"
    assert json.loads(waited.stdout)["status"] == "complete"
    assert result["delete_id"] in of_room.stdout
    assert unknown.code == 4
    assert not is_known(homeserver, room_id)


def test_nothing_is_deleted_without_a_yes_or_in_a_dry_run(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice = newcomer("alice")
    room_id = alice.make_room("Name\x1b]0;owned\x07")

    unconfirmed = synadmin("room", "delete", room_id)
    dry_run = synadmin("room", "delete", room_id, "--block", "--dry-run", "-o", "json")
    unknown = synadmin("room", "delete", "!unknown:club.example", "--yes")

    (planned,) = json.loads(dry_run.stdout)
    assert (unconfirmed.code, unconfirmed.stdout) == (2, "")
    assert "Name\\x1b]0;owned\\x07" in unconfirmed.stderr
    assert (planned["outcome"], planned["method"], planned["body"]) == ("planned", "DELETE", {"block": True})
    assert unknown.code == 4
    assert homeserver.admin.synapse.rooms.members(room_id).members == (alice.user_id,)
