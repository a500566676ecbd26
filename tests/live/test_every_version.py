"""Read rooms and spaces, and audit rooms, on every supported version of Synapse.

`make test-versions` runs these tests on old versions, `make test` on the newest version.
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
    """A space with two rooms. In the second room, ``lost``, the only member has no power."""

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
def run_json(club: Club, synadmin: Synadmin) -> Any:  # noqa: ANN401 - any JSON
    def run(*arguments: str, code: int = 0) -> Any:  # noqa: ANN401 - any JSON
        answer = synadmin(*arguments, "-o", "json", server=club.server)
        assert answer.code == code, answer.stderr
        return json.loads(answer.stdout)

    return run


def test_rooms_are_listed_with_their_members(club: Club, run_json: Any) -> None:  # noqa: ANN401
    counts = {record["room_id"]: record["joined_members"] for record in run_json("room", "list")}
    assert counts == {club.space: 1, club.room: 2, club.lost: 1}


def test_room_is_shown(club: Club, run_json: Any) -> None:  # noqa: ANN401
    record = run_json("room", "show", club.room)
    assert (record["name"], record["creator"]) == ("Board", club.alice.user_id)


def test_members_of_a_room_are_listed(club: Club, run_json: Any) -> None:  # noqa: ANN401
    members = {record["user_id"] for record in run_json("room", "members", club.room)}
    assert members == {club.alice.user_id, club.bob.user_id}


def test_power_in_a_room_is_shown(club: Club, run_json: Any) -> None:  # noqa: ANN401
    levels = {user["user_id"]: user["level"] for user in run_json("room", "power", club.room)["users"]}
    assert levels == {club.alice.user_id: 100, club.bob.user_id: 50}


def test_all_rooms_of_a_space_are_planned(club: Club, run_json: Any) -> None:  # noqa: ANN401
    records = run_json("room", "make-admin", "--space", club.space, "--allow", "impersonate", "--dry-run")
    reaches = {record["room_id"]: record["reach"] for record in records}
    assert reaches == {club.space: "api", club.room: "api", club.lost: "impersonate"}


def test_audit_finds_the_lost_room(club: Club, run_json: Any) -> None:  # noqa: ANN401
    report = run_json("audit", "rooms", "--rule", "no-local-control", code=10)
    assert [finding["subject"]["id"] for finding in report["findings"]] == [club.lost]
    assert report["checked"]["rooms"] == 3
    assert report["skipped"] == []
