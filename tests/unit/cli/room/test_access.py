"""``room join``, ``block`` and ``unblock``: what is refused, and what is not believed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.unit.stub import told

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Synadmin
    from tests.unit.stub import Stub

ROOM = "!club:example.org"
CLUB = {"room_id": ROOM, "name": "The club", "joined_members": 3}
BLOCK = "/_synapse/admin/v1/rooms/%21club%3Aexample.org/block"


@pytest.mark.parametrize(
    "arguments",
    [
        (ROOM,),
        ("alice",),
        (ROOM, "#other:example.org", "alice", "bob"),
        (ROOM, "@alice:other.example"),
        (ROOM, "no one"),
        (ROOM, "alice", "--via", "not a server"),
    ],
)
def test_a_join_that_cannot_be_meant_is_refused_before_anything_is_sent(
    signed_in: Stub, synadmin: Synadmin, arguments: tuple[str, ...]
) -> None:
    answer = synadmin("room", "join", *arguments)

    answer.assert_is_one_clear_line(code=2)
    assert signed_in.targets == []


def test_a_user_who_is_not_in_the_room_afterwards_has_not_joined(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on("/_synapse/admin/v1/join/%21club%3Aexample.org", told({"room_id": ROOM}))
    memberships = {"memberships": {ROOM: "invite"}}
    signed_in.on("/_synapse/admin/v1/users/%40alice%3Aexample.org/memberships", told(memberships))

    answer = synadmin("room", "join", ROOM, "alice")

    answer.assert_is_one_clear_line(code=1)
    assert "is not in !club:example.org afterwards (membership: invite)" in answer.stderr


@pytest.mark.parametrize(("verb", "words"), [("block", "is not blocked"), ("unblock", "is blocked")])
def test_a_block_that_is_not_there_afterwards_is_no_success(
    signed_in: Stub, synadmin: Synadmin, verb: str, words: str
) -> None:
    before = told({"block": verb == "unblock"})
    signed_in.on(BLOCK, before, told({"block": verb == "block"}), before)

    answer = synadmin("room", verb, ROOM, "--yes")

    answer.assert_is_one_clear_line(code=1)
    assert f"!club:example.org {words} afterwards" in answer.stderr


def test_a_block_without_a_terminal_or_yes_is_refused(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on(BLOCK, told({"block": False}))
    signed_in.on(
        BLOCK.removesuffix("/block"), told({"room_id": ROOM, "name": "The club", "joined_members": 3})
    )

    answer = synadmin("room", "block", ROOM)

    answer.assert_is_one_clear_line(code=2)
    assert "no longer be able to join The club (!club:example.org) with 3 members" in answer.stderr
    assert {request.method for request in signed_in.requests} == {"GET"}


def test_a_room_that_is_blocked_already_is_left_alone(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on(BLOCK, told({"block": True, "user_id": "@admin:example.org"}))

    answer = synadmin("room", "block", ROOM, "--yes", "-o", "json")

    assert (answer.code, json.loads(answer.stdout)[0]["message"]) == (0, "already blocked")
    assert {request.method for request in signed_in.requests} == {"GET"}
