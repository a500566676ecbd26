"""``room delete`` and ``room purge-history``, checked by the state of Synapse afterwards."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from synadmin.errors import NotFoundError

if TYPE_CHECKING:
    from synadmin.ids import RoomId
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.conftest import Newcomer, Synadmin


def rooms_of(server: Homeserver, name: str) -> list[RoomId]:
    return [room.room_id for room in server.admin.synapse.rooms.list(search=name)]


@pytest.mark.parametrize(
    ("state", "code"), [("missing", 4), ("deactivated", 5), ("locked", 5), ("suspended", 5)]
)
def test_new_room_for_an_unusable_account_is_refused(
    homeserver: Homeserver, synadmin: Synadmin, newcomer: Newcomer, state: str, code: int
) -> None:
    alice, heir = newcomer("alice"), newcomer("heir")
    room_id = alice.make_room("keep me")
    new_owner = heir.user_id
    if state == "missing":
        new_owner = homeserver.user_id("nobody-has-this-name")
    elif state == "suspended":
        homeserver.admin.synapse.users.suspend(heir.user_id, suspend=True)
    else:
        homeserver.admin.modify_user(heir, **{state: True})
    for option in ("--dry-run", "--yes"):
        answer = synadmin("room", "delete", room_id, "--new-room-user", new_owner, option)
        assert (answer.code, answer.stdout) == (code, ""), answer
    assert homeserver.admin.synapse.rooms.members(room_id).members == (alice.user_id,)


def test_second_deletion_makes_no_second_new_room(
    homeserver: Homeserver, synadmin: Synadmin, newcomer: Newcomer
) -> None:
    alice, bob = newcomer("alice"), newcomer("bob")
    room_id = alice.make_room("old", members=[bob])
    name = f"moved from {alice.user_id}"
    arguments = ("room", "delete", room_id, "--new-room-user", alice.user_id, "--room-name", name)
    answers = [synadmin(*arguments, "--yes", "-o", "json") for _ in range(2)]
    assert [answer.code for answer in answers] == [0, 0], answers
    first, second = (json.loads(answer.stdout)[0] for answer in answers)
    assert rooms_of(homeserver, name) == [first["new_room_id"]] == [second["new_room_id"]]
    assert bob.user_id in homeserver.admin.synapse.rooms.members(first["new_room_id"]).members


def test_new_room_is_named_where_a_member_was_not_moved(
    homeserver: Homeserver, synadmin: Synadmin, newcomer: Newcomer
) -> None:
    alice, bob = newcomer("alice"), newcomer("bob")
    room_id = alice.make_room("old", members=[bob])
    homeserver.admin.synapse.users.suspend(bob.user_id, suspend=True)
    homeserver.admin.synapse.users.modify(bob.user_id, locked=True)
    answer = synadmin("room", "delete", room_id, "--new-room-user", alice.user_id, "--yes", "-o", "json")
    (record,) = json.loads(answer.stdout)
    bob_is_member = bob.user_id in homeserver.admin.synapse.rooms.members(record["new_room_id"]).members
    assert bob_is_member == (record["outcome"] == "done"), record


def test_room_known_by_an_invitation_is_deleted(
    federation: tuple[Homeserver, Homeserver], synadmin: Synadmin
) -> None:
    ours, theirs = federation
    for invitation in ("pending", "rejected"):
        alice, bob = ours.register(f"invited-{invitation}"), theirs.register(f"inviter-{invitation}")
        room_id = bob.make_room(invited=[alice])
        if invitation == "rejected":
            alice.leave(room_id)
        answer = synadmin("room", "delete", room_id, "--yes", server=ours)
        assert answer.code == 0, answer
        with pytest.raises(NotFoundError):
            ours.admin.synapse.rooms.members(room_id)


def test_question_counts_members_not_statistics(synadmin: Synadmin, newcomer: Newcomer) -> None:
    alice = newcomer("alice")
    room_id = alice.make_room("counted", members=[newcomer("bob"), newcomer("carol")])
    answer = synadmin("room", "delete", room_id)
    assert answer.code == 2
    assert "3 members, 3 of them local" in answer.stderr


def test_history_with_nothing_to_purge_is_done(synadmin: Synadmin, newcomer: Newcomer) -> None:
    room_id = newcomer("alice").make_room("new")
    answer = synadmin("room", "purge-history", room_id, "--before", "30d", "--yes", "-o", "json")
    assert answer.code == 0, answer
    (record,) = json.loads(answer.stdout)
    assert record["outcome"] == "done"
    assert "nothing is older" in record["message"]
    answer = synadmin("room", "purge-history", "!nowhere:x.example", "--before", "30d", "--yes")
    assert (answer.code, answer.stdout) == (4, "")
    assert "older" not in answer.stderr
    assert "Room not found" in answer.stderr
