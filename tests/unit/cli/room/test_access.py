"""``room join``, ``block`` and ``unblock``: invalid options, and changes that are read back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.unit.stub import json_reply, refused

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
def test_invalid_join_is_refused_before_any_request(
    signed_in: Stub, synadmin: Synadmin, arguments: tuple[str, ...]
) -> None:
    result = synadmin("room", "join", *arguments)

    result.assert_one_line_error(code=2)
    assert signed_in.targets == []


def test_user_not_in_the_room_afterwards_is_failed(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on("/_synapse/admin/v1/join/%21club%3Aexample.org", json_reply({"room_id": ROOM}))
    memberships = {"memberships": {ROOM: "invite"}}
    signed_in.on("/_synapse/admin/v1/users/%40alice%3Aexample.org/memberships", json_reply(memberships))

    result = synadmin("room", "join", ROOM, "alice")

    result.assert_one_line_error(code=1)
    assert "is not in !club:example.org afterwards (membership: invite)" in result.stderr


def test_join_of_a_member_changes_nothing(signed_in: Stub, synadmin: Synadmin) -> None:
    refusal = refused(403, "M_FORBIDDEN", "@alice:example.org is already in the room.")
    signed_in.on("/_synapse/admin/v1/join/%21club%3Aexample.org", refusal)
    signed_in.on(
        "/_synapse/admin/v1/users/%40alice%3Aexample.org/joined_rooms",
        json_reply({"joined_rooms": [ROOM], "total": 1}),
    )
    # Synapse has this request since version 1.145.
    signed_in.on(
        "/_synapse/admin/v1/users/%40alice%3Aexample.org/memberships", refused(404, "M_UNRECOGNIZED")
    )

    result = synadmin("room", "join", ROOM, "alice")

    assert result.code == 0, result.stderr
    assert "already in the room" in result.stdout
    assert result.stderr == "1 user: 1 unchanged.\n"


@pytest.mark.parametrize(("verb", "words"), [("block", "is not blocked"), ("unblock", "is blocked")])
def test_block_not_read_back_is_failed(signed_in: Stub, synadmin: Synadmin, verb: str, words: str) -> None:
    before = json_reply({"block": verb == "unblock"})
    signed_in.on(BLOCK, before, json_reply({"block": verb == "block"}), before)

    result = synadmin("room", verb, ROOM, "--yes")

    result.assert_one_line_error(code=1)
    assert f"!club:example.org {words} afterwards" in result.stderr


def test_block_without_terminal_or_yes_is_refused(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on(BLOCK, json_reply({"block": False}))
    signed_in.on(
        BLOCK.removesuffix("/block"), json_reply({"room_id": ROOM, "name": "The club", "joined_members": 3})
    )

    result = synadmin("room", "block", ROOM)

    result.assert_one_line_error(code=2)
    assert "no longer be able to join The club (!club:example.org) with 3 members" in result.stderr
    assert {request.method for request in signed_in.requests} == {"GET"}


@pytest.mark.parametrize(("verb", "state"), [("block", "blocked"), ("unblock", "not blocked")])
def test_message_is_the_state_read_back(signed_in: Stub, synadmin: Synadmin, verb: str, state: str) -> None:
    before, after = json_reply({"block": verb == "unblock"}), json_reply({"block": verb == "block"})
    signed_in.on(BLOCK, before, after, after)

    result = synadmin("room", verb, ROOM, "--yes", "-o", "json")

    record = json.loads(result.stdout)[0]
    assert (record["outcome"], record["message"]) == ("done", state)


def test_blocked_room_is_unchanged(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on(BLOCK, json_reply({"block": True, "user_id": "@admin:example.org"}))

    result = synadmin("room", "block", ROOM, "--yes", "-o", "json")

    assert (result.code, json.loads(result.stdout)[0]["message"]) == (0, "already blocked")
    assert {request.method for request in signed_in.requests} == {"GET"}
