"""What more is asked of a room, and when."""

from __future__ import annotations

import pytest

from synadmin.power.room import Reach
from tests.standin import LOST, running
from tests.unit.audit.gather.gathering import (
    IN_ROOMS,
    LEVELS,
    ROOMS,
    STATE,
    USERS,
    asked,
    gathering,
    one_room,
    the_room,
)
from tests.unit.stub import Stub, told

CREATE = "/_synapse/admin/v1/rooms/…/state m.room.create"
TOMBSTONE = "/_synapse/admin/v1/rooms/…/state m.room.tombstone"


def test_of_a_small_server_everything_is_asked() -> None:
    with running("--rooms", "20", "--users", "5", "--version", "12", "--members", "1") as url:
        with gathering(url) as gatherer:
            list(gatherer.rooms())
        counted = asked(url)
    assert (counted[LEVELS], counted[CREATE], counted[TOMBSTONE]) == (20, 20, 20)


@pytest.mark.parametrize(
    ("members", "options", "asked_for"),
    [
        # Nobody else is in the room who could be a second creator, but in those that the first has left.
        (1, {}, ROOMS // LOST),
        (2, {}, ROOMS),
        (1, {"look_at_creators": True}, ROOMS),
    ],
)
def test_of_a_large_server_creators_are_asked_where_they_may_matter(
    members: int, options: dict[str, bool], asked_for: int
) -> None:
    size = ("--rooms", str(ROOMS), "--users", str(USERS))
    with running(*size, "--version", "12", "--members", str(members)) as url:
        with gathering(url, **options) as gatherer:
            list(gatherer.rooms())
        counted = asked(url)
    assert (counted[LEVELS], counted[CREATE]) == (ROOMS, asked_for)


@pytest.mark.parametrize(("options", "asked_for"), [({}, 0), ({"look_at_every_room": True}, ROOMS)])
def test_of_a_large_server_tombstones_are_asked_where_asked_for(
    options: dict[str, bool], asked_for: int
) -> None:
    with running("--rooms", str(ROOMS), "--users", str(USERS)) as url:
        with gathering(url, **options) as gatherer:
            list(gatherer.rooms())
        counted = asked(url)
    assert (counted[LEVELS], counted.get(TOMBSTONE, 0)) == (ROOMS, asked_for)


def test_of_a_room_that_everybody_has_left_nothing_more_is_asked(stub: Stub) -> None:
    with one_room(stub, joined_members=0, joined_local_members=0) as gatherer:
        stub.on(STATE, told({"state": []}))
        stub.on(IN_ROOMS, told({"joined_rooms": [], "total": 0}))
        assert not the_room(gatherer).view.in_room
    assert sum(request.target.startswith(STATE) for request in stub.requests) == 1


def test_where_accounts_are_kept_elsewhere_nobody_can_act_as_others(stub: Stub) -> None:
    with one_room(stub) as gatherer:
        stub.on("/_matrix/client/v1/auth_metadata", told({"issuer": "https://account.example.org/"}))
        assert the_room(gatherer).possible is Reach.API
