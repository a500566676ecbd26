"""Who comes into a room to help leaves it again."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from synadmin.client import Synapse
from synadmin.errors import SynadminError
from synadmin.ids import RoomId, UserId
from synadmin.journal import Journal
from synadmin.recovery.temporary_membership import TemporaryMembership
from synadmin.recovery.workspace import Recovery
from tests.unit.recovery.rooms import ALICE
from tests.unit.stub import Stub, json_reply, refused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from synadmin.recovery.temporary_changes import TemporaryChanges

BOB = "@bob:example.org"
HER, HIM, ROOM = UserId(ALICE), UserId(BOB), RoomId("!chess")
INVITE, LEAVE = "/_matrix/client/v3/rooms/%21chess/invite", "/_matrix/client/v3/rooms/%21chess/leave"
JOIN = "/_matrix/client/v3/join/%21chess"
MEMBERSHIPS = f"/_synapse/admin/v1/users/{quote(ALICE, safe='')}/memberships"


@pytest.fixture
def temporary(stub: Stub, tmp_path: Path) -> Iterator[TemporaryChanges]:
    journal = Journal(tmp_path / "journal.sqlite3")
    stub.on("*", json_reply({}))
    for user in (ALICE, BOB):
        stub.on(
            f"/_synapse/admin/v1/users/{quote(user, safe='')}/login",
            json_reply({"access_token": f"of{user[1]}"}),
        )
    stub.on(MEMBERSHIPS, json_reply({"memberships": {ROOM: "leave"}}))
    stub.on(JOIN, json_reply({"room_id": ROOM}))
    with (
        Synapse(stub.url, token="syt_token", journal=journal) as synapse,
        Recovery(synapse, journal) as recovery,
    ):
        visiting[recovery.temporary] = TemporaryMembership(recovery, ROOM)
        yield recovery.temporary
    visiting.clear()


visiting: dict[TemporaryChanges, TemporaryMembership] = {}


def came_and_went(stub: Stub) -> list[tuple[str, str]]:
    """What was sent about the room, and with whose token."""
    rooms = {INVITE: "invite", JOIN: "join", LEAVE: "leave"}
    return [
        (rooms[path], one.headers["authorization"].removeprefix("Bearer "))
        for one in stub.requests
        if (path := one.target.partition("?")[0]) in rooms
    ]


def test_invited_user_who_joins_leaves_once(stub: Stub, temporary: TemporaryChanges) -> None:
    visit = visiting[temporary]
    visit.invite(HER, by=HIM)
    visit.join(HER)
    assert temporary.revert_since() == []
    assert came_and_went(stub) == [("invite", "ofb"), ("join", "ofa"), ("leave", "ofa")]


def test_unused_invitation_is_declined(stub: Stub, temporary: TemporaryChanges) -> None:
    stub.on(JOIN, refused(403, "M_FORBIDDEN"))
    visit = visiting[temporary]
    visit.invite(HER, by=HIM)
    with pytest.raises(SynadminError):
        visit.join(HER)
    assert temporary.revert_since() == []
    assert came_and_went(stub)[-1] == ("leave", "ofa")


@pytest.mark.parametrize("membership", ["leave", "invite"])
def test_refused_user_has_nothing_to_leave(stub: Stub, temporary: TemporaryChanges, membership: str) -> None:
    """Also who was invited before: that invitation is not ours."""
    stub.on(MEMBERSHIPS, json_reply({"memberships": {ROOM: membership}}))
    stub.on(JOIN, refused(403, "M_FORBIDDEN"))
    with pytest.raises(SynadminError):
        visiting[temporary].join(HER, via=["elsewhere.example"])
    assert temporary.revert_since() == []
    assert came_and_went(stub) == [("join", "ofa")]
    (joined,) = [one.target for one in stub.requests if one.target.startswith(JOIN)]
    assert "via=elsewhere.example" in joined


@pytest.mark.parametrize("request_", [INVITE, JOIN])
def test_user_joined_despite_a_refusal_leaves(stub: Stub, temporary: TemporaryChanges, request_: str) -> None:
    """A proxy may refuse what the server has done."""
    stub.on(request_, refused(403, "M_FORBIDDEN"))
    stub.on(
        MEMBERSHIPS, json_reply({"memberships": {ROOM: "join"}}), json_reply({"memberships": {ROOM: "leave"}})
    )
    visit = visiting[temporary]
    come_in = partial(visit.join, HER) if request_ == JOIN else partial(visit.invite, HER, by=HIM)
    with pytest.raises(SynadminError):
        come_in()
    assert temporary.revert_since() == []
    assert came_and_went(stub)[-1] == ("leave", "ofa")
