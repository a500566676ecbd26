"""``room join``, ``block`` and ``unblock``: what is refused, and what is not believed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.stub import told

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Synadmin
    from tests.unit.stub import Stub

ROOM = "!club:example.org"
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
    signed_in.on(BLOCK, told({"block": True}), told({"block": verb == "unblock"}))

    answer = synadmin("room", verb, ROOM)

    answer.assert_is_one_clear_line(code=1)
    assert f"!club:example.org {words} afterwards" in answer.stderr
