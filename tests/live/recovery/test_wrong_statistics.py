"""Rooms with missing or wrong statistics: synadmin uses their state and members instead.

The situations are from public bug reports of Synapse and of other tools.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from synadmin.errors import NotFoundError
from synadmin.sandbox.homeserver import Homeserver
from tests.live.recovery.wrong_statistics import corrupt_statistics, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from synadmin.ids import RoomId
    from synadmin.sandbox.accounts import Person
    from tests.live.conftest import Newcomer, Synadmin
    from tests.live.recovery.conftest import Scene, Scenes

CORRUPTIONS = ("deleted", "zeroed", "stale")


@pytest.fixture(scope="module")
def homeserver() -> Iterator[Homeserver]:
    """Return a Synapse for these tests only. Its room list is incomplete, so other tests cannot audit it."""
    with Homeserver() as server:
        yield server


def test_wrong_statistics_change_no_plan(homeserver: Homeserver) -> None:
    rooms = int(os.environ.get("SYNADMIN_TEST_ROOMS", "20"))
    *_, tally = run(homeserver, rooms=rooms, seed=5)
    assert tally.rooms == rooms
    assert len(tally.kinds) > 3, "the rooms are too similar"
    assert not tally.differences, "\n".join(tally.differences)


@pytest.mark.parametrize("how", CORRUPTIONS)
def test_room_with_a_local_admin_is_shown_and_regained(scene: Scene, how: str) -> None:
    alice = scene.someone("alice")
    room_id = alice.make_room("Chess")
    before = json.loads(scene.run("room", "power", room_id, "-o", "json").stdout)
    corrupt_statistics(scene.server, room_id, how)
    assert json.loads(scene.run("room", "power", room_id, "-o", "json").stdout) == before
    assert scene.run("room", "show", room_id).code == 0
    result = scene.make_admin(room_id)
    assert result.verdict == (0, "done", None, "api"), result.record
    assert scene.has_control(room_id, scene.admin)


@pytest.mark.parametrize("how", ["deleted", "zeroed"])
def test_member_without_power_invites_the_admin_who_left(scene: Scene, how: str) -> None:
    alice, bob = scene.someone("alice"), scene.someone("bob")
    room_id = alice.make_room(members=[bob], left=[alice])
    before = scene.standings()
    corrupt_statistics(scene.server, room_id, how)
    result = scene.make_admin(room_id, "--allow", "impersonate")
    assert result.verdict == (0, "done", None, "impersonate"), result.record
    scene.is_regained(room_id, scene.admin, before)


def test_room_that_all_left_is_refused_despite_the_count(scene: Scene) -> None:
    alice, bob = scene.someone("alice"), scene.someone("bob")
    room_id = alice.make_room(members=[bob], left=[bob, alice])
    corrupt_statistics(scene.server, room_id, "stale")
    before = len(scene.server.processed())
    result = scene.make_admin(room_id, "--allow", "reactivate")
    assert result.verdict == (5, "refused", "not-in-room", None)
    assert result.steps == []
    assert {request.method for request in scene.server.processed()[before:]} == {"GET"}


def test_server_without_statistics_gives_the_same_plans(scenes: Scenes) -> None:
    with Homeserver(extra_config={"stats": {"enabled": False}}) as server:
        scene = scenes(server)
        room_id = scene.someone("alice").make_room("Chess")
        assert scene.run("room", "show", room_id).code == 0
        result = scene.make_admin(room_id)
        assert result.verdict == (0, "done", None, "api"), result.record
        assert scene.has_control(room_id, scene.admin)


@pytest.mark.parametrize("rejected", [True, False], ids=["rejected", "pending"])
def test_room_known_by_invitation_is_shown_refused_and_deleted(
    scenes: Scenes, federation: tuple[Homeserver, Homeserver], *, rejected: bool
) -> None:
    ours, theirs = federation
    scene = scenes(ours)
    henry, vera = scene.someone("henry"), scene.newcomer("vera", server=theirs)
    room_id = vera.create_room()
    vera.invite(room_id, henry)
    if rejected:
        henry.leave(room_id)
    assert scene.run("room", "show", room_id).code == 0
    result = scene.make_admin(room_id, "--allow", "reactivate")
    assert (result.code, result.record["outcome"]) == (5, "refused"), result.record
    assert result.record["reason"] in {"not-in-room", "unknown-room"}
    deleted = scene.run("room", "delete", room_id, "--yes")
    assert deleted.code == 0, deleted.stderr
    assert scene.run("room", "show", room_id).code == 4


def test_upgraded_room_names_its_replacement(scene: Scene) -> None:
    alice = scene.someone("alice")
    room_id = alice.make_room()
    new = upgraded(alice, room_id)
    result = scene.make_admin(room_id, "--dry-run")
    assert result.record["outcome"] == "planned"
    assert f"'{new}' has replaced it" in result.record["message"]


def upgraded(who: Person, room_id: RoomId) -> RoomId:
    path = f"/_matrix/client/v3/rooms/{room_id}/upgrade"
    new: RoomId = who.call("POST", path, {"new_version": "11"})["replacement_room"]
    return new


def test_room_given_by_id_and_alias_is_regained_once(scene: Scene) -> None:
    alice = scene.someone("alice")
    name = alice.user_id[1:].partition(":")[0]
    room_id = alice.make_room(alias=name)
    alias = f"#{name}:{scene.server.server_name}"
    answer = scene.run("room", "make-admin", room_id, alias, room_id, "--yes", "-o", "ndjson")
    (record,) = [json.loads(line) for line in answer.stdout.splitlines()]
    assert (answer.code, record["outcome"], record["room_id"]) == (0, "done", room_id)


def test_rooms_are_listed_by_members_not_statistics(
    homeserver: Homeserver, synadmin: Synadmin, newcomer: Newcomer
) -> None:
    alice, bob = newcomer("alice"), newcomer("bob")
    name = alice.user_id[1:].partition(":")[0]
    algorithm = {"algorithm": "m.megolm.v1.aes-sha2"}
    encryption = {"type": "m.room.encryption", "state_key": "", "content": algorithm}
    secret = alice.make_room(f"{name} secret", state=[encryption], members=[bob], users={bob: 100})
    used = alice.make_room(f"{name} used")
    ended = alice.make_room(members=[bob], left=[alice, bob])
    unlisted = alice.make_room(f"{name} unlisted", members=[bob], left=[alice])
    corrupt_statistics(homeserver, used, "zeroed")
    corrupt_statistics(homeserver, unlisted, "deleted")

    def rooms(*options: str) -> list[str]:
        answer = synadmin("room", "list", *options, "-o", "name")
        assert answer.code == 0, answer
        return answer.stdout.split()

    without = rooms("--no-local-members")
    assert ended in without
    assert not {secret, used, unlisted}.intersection(without)
    assert rooms("--member", name) == [secret, used]
    assert rooms("--search", name, "--encrypted") == [secret]
    # The server's room list does not contain the room without statistics. The memberships of its member do.
    answer = synadmin(
        "room", "list", "--member", bob.user_id, "--columns", "room_id,controllers", "-o", "json"
    )
    control = {room["room_id"]: room["controllers"] for room in json.loads(answer.stdout)}
    assert control == {secret: [alice.user_id, bob.user_id], unlisted: []}


def test_only_rooms_without_local_members_are_deleted_as_empty(
    homeserver: Homeserver, synadmin: Synadmin, newcomer: Newcomer
) -> None:
    alice, bob = newcomer("alice"), newcomer("bob")
    used, ended = alice.make_room("used"), alice.make_room("ended", left=[alice])
    awaited = alice.make_room("awaited", invited=[bob], left=[alice])
    corrupt_statistics(homeserver, used, "zeroed")
    admin = homeserver.admin.synapse
    warning = (
        f"warning: '{awaited}' has 1 invited local user: {bob.user_id}. The deletion rejects 1 invitation."
    )

    answer = synadmin("room", "delete", "--empty", "--dry-run", "-o", "json")
    assert answer.code == 0, answer
    planned = {record["room_id"]: record["outcome"] for record in json.loads(answer.stdout)}
    assert {ended: "planned", awaited: "planned"}.items() <= planned.items()
    assert used not in planned
    assert warning in answer.stderr
    assert f"  {ended}, 0 members, 0 of them local" in answer.stderr
    assert f"{len(planned)} rooms will be deleted. 1 invitation will be rejected." in answer.stderr
    assert admin.rooms.get(ended).room_id == ended

    answer = synadmin("room", "delete", "--empty", "--block", "--yes", "-o", "ndjson")
    assert answer.code == 0, answer
    assert warning in answer.stderr
    records = {record["room_id"]: record for record in map(json.loads, answer.stdout.splitlines())}
    assert set(records) == set(planned)
    assert records[awaited]["kicked_users"] == [bob.user_id]
    assert admin.rooms.members(used).members == (alice.user_id,)
    assert admin.rooms.block_status(ended).block
    for room_id in (ended, awaited):
        with pytest.raises(NotFoundError):
            admin.rooms.get(room_id)

    answer = synadmin("room", "delete", "--empty", "--yes")
    assert (answer.code, answer.stdout, answer.stderr) == (0, "", "No room is without local members.\n")
