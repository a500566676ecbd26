"""A room as a member reads it, also from a server with malformed state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from synadmin.errors import NotFoundError, NotPermittedError
from synadmin.ids import RoomAlias, RoomId, UserId
from synadmin.recovery.member import Member
from tests.unit.stub import ADMIN, json_reply, refused

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


def set_state(stub: Stub, kind: str, content: dict[str, Any], key: str = "") -> None:
    stub.on(f"{STATE}/{kind}/{key}", json_reply(content))


def test_room_facts_for_a_transfer_are_read(stub: Stub, member: Member) -> None:
    levels = {"users": {BOSS: 50}}
    set_state(stub, "m.room.create", CREATE)
    set_state(stub, "m.room.power_levels", levels)
    set_state(stub, "m.room.join_rules", {"join_rule": "knock"})
    set_state(stub, "m.room.name", {"name": "Committee"})
    set_state(stub, "m.room.member", {"membership": "join"}, "%40admin%3Aexample.org")
    set_state(stub, "m.room.member", {"membership": "ban"}, "%40boss%3Aother.example")
    view = member.view_of(ROOM, BOSS)
    assert (view.version, view.creators, view.join_rule) == ("12", (ADMIN, BOSS), "knock")
    assert view.power_levels == levels
    assert view.memberships == {ADMIN: "join", BOSS: "ban"}
    assert (view.server_name, view.federate) == ("example.org", True)
    assert member.name(ROOM) == "Committee"


def test_missing_state_has_the_defaults_of_the_specification(stub: Stub, member: Member) -> None:
    set_state(stub, "m.room.create", {"sender": ADMIN, "content": {"m.federate": False}})
    view = member.view_of(ROOM, BOSS)
    assert (view.version, view.join_rule, view.power_levels) == ("1", "invite", None)
    assert view.memberships == {ADMIN: "leave", BOSS: "leave"}
    assert not view.federate
    assert member.name(ROOM) is None


def test_name_that_is_not_text_is_none(stub: Stub, member: Member) -> None:
    set_state(stub, "m.room.name", {"name": {"x": 1}})
    assert member.name(ROOM) is None


def test_creators_without_a_user_id_are_ignored(stub: Stub, member: Member) -> None:
    content: dict[str, Any] = {"room_version": "12", "additional_creators": [1, None, BOSS, {}]}
    set_state(stub, "m.room.create", {"sender": ADMIN, "content": content})
    assert member.view_of(ROOM).creators == (ADMIN, BOSS)


def test_room_without_visible_state_is_not_found(member: Member) -> None:
    with pytest.raises(NotFoundError, match="you cannot read the state"):
        member.view_of(ROOM)


def test_room_without_own_membership_is_reported(stub: Stub, member: Member) -> None:
    stub.on("*", refused(403, "M_FORBIDDEN", "not in room"))
    with pytest.raises(NotPermittedError):
        member.view_of(ROOM)


def test_alias_is_resolved_and_id_is_unchanged(stub: Stub, member: Member) -> None:
    stub.on(
        "/_matrix/client/v3/directory/room/%23club%3Aexample.org",
        json_reply({"room_id": ROOM, "servers": []}),
    )
    assert member.resolved(RoomAlias("#club:example.org")) == ROOM
    assert member.resolved(RoomId("!other")) == "!other"
