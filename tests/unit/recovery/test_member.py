"""What a member sees of a room, and what a server makes of it that is no friend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from synadmin.errors import NotFoundError, NotPermittedError
from synadmin.ids import RoomAlias, RoomId, UserId
from synadmin.recovery.member import Member
from tests.unit.stub import ADMIN, refused, told

if TYPE_CHECKING:
    from synadmin.client import Synapse
    from tests.unit.stub import Stub

ROOM = RoomId("!r:example.org")
BOSS = UserId("@boss:other.example")
STATE = "/_matrix/client/v3/rooms/%21r%3Aexample.org/state"
CREATE = {"sender": ADMIN, "content": {"room_version": "12", "additional_creators": [BOSS]}}
MISSING = refused(404, "M_NOT_FOUND")


@pytest.fixture
def member(stub: Stub, synapse: Synapse) -> Member:
    stub.on("*", MISSING)
    return Member(synapse)


def state(stub: Stub, kind: str, content: dict[str, Any], key: str = "") -> None:
    stub.on(f"{STATE}/{kind}/{key}", told(content))


def test_everything_that_matters_to_hand_a_room_over_is_seen(stub: Stub, member: Member) -> None:
    levels = {"users": {BOSS: 50}}
    state(stub, "m.room.create", CREATE)
    state(stub, "m.room.power_levels", levels)
    state(stub, "m.room.join_rules", {"join_rule": "knock"})
    state(stub, "m.room.name", {"name": "Committee"})
    state(stub, "m.room.member", {"membership": "join"}, "%40admin%3Aexample.org")
    state(stub, "m.room.member", {"membership": "ban"}, "%40boss%3Aother.example")
    view = member.view_of(ROOM, BOSS)
    assert (view.version, view.creators, view.join_rule) == ("12", (ADMIN, BOSS), "knock")
    assert view.power_levels == levels
    assert view.memberships == {ADMIN: "join", BOSS: "ban"}
    assert (view.server_name, view.federate) == ("example.org", True)
    assert member.name(ROOM) == "Committee"


def test_what_a_room_does_not_have_is_what_the_specification_says_then(stub: Stub, member: Member) -> None:
    state(stub, "m.room.create", {"sender": ADMIN, "content": {"m.federate": False}})
    view = member.view_of(ROOM, BOSS)
    assert (view.version, view.join_rule, view.power_levels) == ("1", "invite", None)
    assert view.memberships == {ADMIN: "leave", BOSS: "leave"}
    assert not view.federate
    assert member.name(ROOM) is None


def test_a_name_that_is_no_text_is_none(stub: Stub, member: Member) -> None:
    state(stub, "m.room.name", {"name": {"x": 1}})
    assert member.name(ROOM) is None


def test_creators_that_are_no_user_ids_are_nobody(stub: Stub, member: Member) -> None:
    content: dict[str, Any] = {"room_version": "12", "additional_creators": [1, None, BOSS, {}]}
    state(stub, "m.room.create", {"sender": ADMIN, "content": content})
    assert member.view_of(ROOM).creators == (ADMIN, BOSS)


def test_a_room_of_which_nothing_is_to_be_seen_is_not_found(member: Member) -> None:
    with pytest.raises(NotFoundError, match="you cannot read the state"):
        member.view_of(ROOM)


def test_a_room_that_one_is_not_in_says_so(stub: Stub, member: Member) -> None:
    stub.on("*", refused(403, "M_FORBIDDEN", "not in room"))
    with pytest.raises(NotPermittedError):
        member.view_of(ROOM)


def test_an_alias_is_resolved_and_an_id_is_taken_as_it_is(stub: Stub, member: Member) -> None:
    stub.on("/_matrix/client/v3/directory/room/%23club%3Aexample.org", told({"room_id": ROOM, "servers": []}))
    assert member.resolved(RoomAlias("#club:example.org")) == ROOM
    assert member.resolved(RoomId("!other")) == "!other"
