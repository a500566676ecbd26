"""A helper who joined a room for a short time leaves it again."""

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
ALICE_ID, BOB_ID, ROOM = UserId(ALICE), UserId(BOB), RoomId("!chess")
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
        memberships_by_run[recovery.temporary] = TemporaryMembership(recovery, ROOM)
        yield recovery.temporary
    memberships_by_run.clear()


memberships_by_run: dict[TemporaryChanges, TemporaryMembership] = {}


def room_requests(stub: Stub) -> list[tuple[str, str]]:
    """Return the requests about the room, each with its token."""
    rooms = {INVITE: "invite", JOIN: "join", LEAVE: "leave"}
    return [
        (rooms[path], request.headers["authorization"].removeprefix("Bearer "))
        for request in stub.requests
        if (path := request.target.partition("?")[0]) in rooms
    ]


def test_invited_user_who_joins_leaves_once(stub: Stub, temporary: TemporaryChanges) -> None:
    temporary_membership = memberships_by_run[temporary]
    temporary_membership.invite(ALICE_ID, by=BOB_ID)
    temporary_membership.join(ALICE_ID)
    assert temporary.revert_since() == []
    assert room_requests(stub) == [("invite", "ofb"), ("join", "ofa"), ("leave", "ofa")]


def test_unused_invitation_is_declined(stub: Stub, temporary: TemporaryChanges) -> None:
    stub.on(JOIN, refused(403, "M_FORBIDDEN"))
    temporary_membership = memberships_by_run[temporary]
    temporary_membership.invite(ALICE_ID, by=BOB_ID)
    with pytest.raises(SynadminError):
        temporary_membership.join(ALICE_ID)
    assert temporary.revert_since() == []
    assert room_requests(stub)[-1] == ("leave", "ofa")


@pytest.mark.parametrize("membership", ["leave", "invite"])
def test_refused_user_has_nothing_to_leave(stub: Stub, temporary: TemporaryChanges, membership: str) -> None:
    """The same holds for a user who was invited before: another user sent that invitation."""
    stub.on(MEMBERSHIPS, json_reply({"memberships": {ROOM: membership}}))
    stub.on(JOIN, refused(403, "M_FORBIDDEN"))
    with pytest.raises(SynadminError):
        memberships_by_run[temporary].join(ALICE_ID, via=["elsewhere.example"])
    assert temporary.revert_since() == []
    assert room_requests(stub) == [("join", "ofa")]
    (joined,) = [request.target for request in stub.requests if request.target.startswith(JOIN)]
    assert "via=elsewhere.example" in joined


@pytest.mark.parametrize("request_", [INVITE, JOIN])
def test_user_joined_despite_a_refusal_leaves(stub: Stub, temporary: TemporaryChanges, request_: str) -> None:
    """A proxy may refuse what the server has done."""
    stub.on(request_, refused(403, "M_FORBIDDEN"))
    stub.on(
        MEMBERSHIPS, json_reply({"memberships": {ROOM: "join"}}), json_reply({"memberships": {ROOM: "leave"}})
    )
    temporary_membership = memberships_by_run[temporary]
    change = (
        partial(temporary_membership.join, ALICE_ID)
        if request_ == JOIN
        else partial(temporary_membership.invite, ALICE_ID, by=BOB_ID)
    )
    with pytest.raises(SynadminError):
        change()
    assert temporary.revert_since() == []
    assert room_requests(stub)[-1] == ("leave", "ofa")
