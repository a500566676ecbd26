"""What works on every supported Synapse beside regaining rooms: room reads, spaces, the audit of rooms.

`make test-versions` runs this on old versions, `make test` on the newest.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from synadmin.sandbox.homeserver import Homeserver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from synadmin.ids import RoomId
    from synadmin.sandbox.accounts import Person
    from tests.live.conftest import Synadmin


class Club(NamedTuple):
    """A space with two rooms; in the second one only a member without power is left."""

    server: Homeserver
    alice: Person
    bob: Person
    space: RoomId
    room: RoomId
    lost: RoomId


@pytest.fixture(scope="module")
def club() -> Iterator[Club]:
    with Homeserver() as server:
        alice, bob = server.register("alice"), server.register("bob")
        space = alice.create_room("Club", space=True)
        room = alice.make_room("Board", members=[bob], users={bob: 50})
        lost = alice.make_room("Rowers", members=[bob], left=[alice])
        for child in (room, lost):
            alice.send_state(space, "m.space.child", {"via": [server.server_name]}, child)
        yield Club(server, alice, bob, space, room, lost)


@pytest.fixture
def read(club: Club, synadmin: Synadmin) -> Any:  # noqa: ANN401 - any JSON
    def run(*arguments: str, code: int = 0) -> Any:  # noqa: ANN401 - any JSON
        answer = synadmin(*arguments, "-o", "json", server=club.server)
        assert answer.code == code, answer.stderr
        return json.loads(answer.stdout)

    return run


def test_rooms_are_listed_with_their_members(club: Club, read: Any) -> None:  # noqa: ANN401
    counts = {record["room_id"]: record["joined_members"] for record in read("room", "list")}
    assert counts == {club.space: 1, club.room: 2, club.lost: 1}


def test_room_is_shown(club: Club, read: Any) -> None:  # noqa: ANN401
    record = read("room", "show", club.room)
    assert (record["name"], record["creator"]) == ("Board", club.alice.user_id)


def test_members_of_a_room_are_listed(club: Club, read: Any) -> None:  # noqa: ANN401
    members = {record["user_id"] for record in read("room", "members", club.room)}
    assert members == {club.alice.user_id, club.bob.user_id}


def test_power_in_a_room_is_shown(club: Club, read: Any) -> None:  # noqa: ANN401
    levels = {user["user_id"]: user["level"] for user in read("room", "power", club.room)["users"]}
    assert levels == {club.alice.user_id: 100, club.bob.user_id: 50}


def test_all_rooms_of_a_space_are_planned(club: Club, read: Any) -> None:  # noqa: ANN401
    records = read("room", "make-admin", "--space", club.space, "--allow", "impersonate", "--dry-run")
    reaches = {record["room_id"]: record["reach"] for record in records}
    assert reaches == {club.space: "api", club.room: "api", club.lost: "impersonate"}


def test_audit_finds_the_lost_room(club: Club, read: Any) -> None:  # noqa: ANN401
    report = read("audit", "rooms", "--rule", "no-local-control", code=10)
    assert [finding["subject"]["id"] for finding in report["findings"]] == [club.lost]
    assert report["checked"]["rooms"] == 3
    assert report["skipped"] == []
