"""Previews of rooms; ``tests/unit/cli/room/test_make_admin.py`` tests the changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from synadmin.errors import NotAuthenticatedError
from synadmin.ids import RoomAlias, RoomId, UserId
from synadmin.power.room import Goal
from synadmin.recovery.make_admin import preview_rooms
from tests.unit.recovery.rooms import ALICE, GRANTED, POWER, LostRoom, power
from tests.unit.stub import ADMIN, HTML, Stub, json_reply, refused

if TYPE_CHECKING:
    from synadmin.recovery.make_admin import Preview
    from synadmin.recovery.observer import Observer

GOAL = Goal(target=UserId(ADMIN), caller=UserId(ADMIN))


def preview_of(observer: Observer, room: str, goal: Goal = GOAL) -> Preview:
    name = RoomAlias(room) if room.startswith("#") else RoomId(room)
    (preview,) = preview_rooms(observer, [name], goal)
    return preview


def test_lost_room_is_planned(stub: Stub, observer: Observer) -> None:
    room = LostRoom(stub)
    preview = preview_of(observer, room.id)
    assert preview.plan is not None
    assert (preview.result.outcome, preview.result.promoter) == ("planned", ALICE)
    assert room.changes == []


def test_regained_room_needs_no_plan(stub: Stub, observer: Observer) -> None:
    room = LostRoom(stub)
    room.on(POWER, power(GRANTED))
    room.member(ADMIN, "join")
    preview = preview_of(observer, room.id)
    assert preview.plan is None
    assert (preview.result.outcome, preview.result.control) == ("done", True)


def test_invited_target_is_pending_and_needs_no_more(stub: Stub, observer: Observer) -> None:
    room = LostRoom(stub)
    room.on(POWER, power(GRANTED))
    room.member(ADMIN, "invite")
    preview = preview_of(observer, room.id, Goal(target=UserId(ADMIN), caller=UserId(ADMIN), join=False))
    assert preview.plan is None
    assert (preview.result.outcome, preview.result.control) == ("pending", False)


@pytest.mark.parametrize(
    ("room", "reason", "room_id"),
    [
        ("!gone:example.org", "unknown-room", "!gone:example.org"),
        ("#gone:example.org", "unknown-alias", None),
    ],
)
def test_unknown_room_is_refused_by_its_name(
    stub: Stub, observer: Observer, room: str, reason: str, room_id: str | None
) -> None:
    stub.on("*", refused(404, "M_NOT_FOUND", "not found"))
    result = preview_of(observer, room).result
    assert (result.outcome, result.reason, result.room_id) == ("refused", reason, room_id)
    assert room in result.message


def test_alias_of_an_unknown_room_is_refused(stub: Stub, observer: Observer) -> None:
    stub.on(
        "/_matrix/client/v3/directory/room/%23club%3Aexample.org",
        json_reply({"room_id": "!gone:example.org"}),
    )
    stub.on("*", refused(404, "M_NOT_FOUND", "not found"))
    result = preview_of(observer, "#club:example.org").result
    assert result.outcome == "refused"
    assert result.reason in {"unknown-alias", "unknown-room", "not-in-room"}


def test_unreadable_room_is_failed_and_the_next_is_read(stub: Stub, observer: Observer) -> None:
    unreadable, room = LostRoom(stub, "!wrong:example.org"), LostRoom(stub)
    stub.on(unreadable.admin_path, HTML)
    first, second = preview_rooms(observer, [RoomId(unreadable.id), RoomId(room.id)], GOAL)
    assert (first.result.outcome, first.result.reason, first.plan) == ("failed", "server-error", None)
    assert "web page" in first.result.message
    assert second.result.outcome == "planned"


def test_invalid_token_is_an_error_not_an_outcome(stub: Stub, observer: Observer) -> None:
    stub.on("*", refused(401, "M_UNKNOWN_TOKEN"))
    with pytest.raises(NotAuthenticatedError):
        preview_of(observer, "!chess:example.org")
