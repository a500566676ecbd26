"""What is told of rooms that were only looked at; ``tests/unit/cli/room/test_make_admin.py`` has the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from synadmin.errors import NotAuthenticatedError
from synadmin.ids import RoomAlias, RoomId, UserId
from synadmin.power.room import Goal
from synadmin.recovery.make_admin import preview_rooms
from tests.unit.recovery.rooms import ALICE, GRANTED, POWER, LostRoom, power
from tests.unit.stub import ADMIN, HTML, Stub, refused, told

if TYPE_CHECKING:
    from synadmin.recovery.make_admin import Preview
    from synadmin.recovery.observer import Observer

ME = Goal(target=UserId(ADMIN), caller=UserId(ADMIN))


def seen(observer: Observer, room: str, goal: Goal = ME) -> Preview:
    name = RoomAlias(room) if room.startswith("#") else RoomId(room)
    (preview,) = preview_rooms(observer, [name], goal)
    return preview


def test_a_room_that_is_to_be_regained_is_planned(stub: Stub, observer: Observer) -> None:
    room = LostRoom(stub)
    preview = seen(observer, room.id)
    assert preview.plan is not None
    assert (preview.result.outcome, preview.result.promoter) == ("planned", ALICE)
    assert room.changes == []


def test_a_room_that_is_regained_already_needs_no_plan(stub: Stub, observer: Observer) -> None:
    room = LostRoom(stub)
    room.on(POWER, power(GRANTED))
    room.member(ADMIN, "join")
    preview = seen(observer, room.id)
    assert preview.plan is None
    assert (preview.result.outcome, preview.result.control) == ("done", True)


def test_who_has_yet_to_accept_is_pending_and_nothing_is_left_to_do(stub: Stub, observer: Observer) -> None:
    room = LostRoom(stub)
    room.on(POWER, power(GRANTED))
    room.member(ADMIN, "invite")
    preview = seen(observer, room.id, Goal(target=UserId(ADMIN), caller=UserId(ADMIN), join=False))
    assert preview.plan is None
    assert (preview.result.outcome, preview.result.control) == ("pending", False)


@pytest.mark.parametrize(
    ("room", "reason", "room_id"),
    [
        ("!gone:example.org", "unknown-room", "!gone:example.org"),
        ("#gone:example.org", "unknown-alias", None),
    ],
)
def test_what_the_server_does_not_know_is_refused_by_its_name(
    stub: Stub, observer: Observer, room: str, reason: str, room_id: str | None
) -> None:
    stub.on("*", refused(404, "M_NOT_FOUND", "not found"))
    result = seen(observer, room).result
    assert (result.outcome, result.reason, result.room_id) == ("refused", reason, room_id)
    assert room in result.message


def test_an_address_that_leads_to_a_room_that_is_not_here_is_refused(stub: Stub, observer: Observer) -> None:
    stub.on("/_matrix/client/v3/directory/room/%23club%3Aexample.org", told({"room_id": "!gone:example.org"}))
    stub.on("*", refused(404, "M_NOT_FOUND", "not found"))
    result = seen(observer, "#club:example.org").result
    assert result.outcome == "refused"
    assert result.reason in {"unknown-alias", "unknown-room", "not-in-room"}


def test_a_room_that_cannot_be_looked_at_has_failed_and_the_next_one_is_looked_at(
    stub: Stub, observer: Observer
) -> None:
    wrong, room = LostRoom(stub, "!wrong:example.org"), LostRoom(stub)
    stub.on(wrong.admin_path, HTML)
    first, second = preview_rooms(observer, [RoomId(wrong.id), RoomId(room.id)], ME)
    assert (first.result.outcome, first.result.reason, first.plan) == ("failed", "server-error", None)
    assert "web page" in first.result.message
    assert second.result.outcome == "planned"


def test_a_token_that_is_not_valid_is_nobodys_outcome(stub: Stub, observer: Observer) -> None:
    stub.on("*", refused(401, "M_UNKNOWN_TOKEN"))
    with pytest.raises(NotAuthenticatedError):
        seen(observer, "!chess:example.org")
