"""``notice send``: what it is to say, and what is refused before anybody hears it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.unit.stub import ADMIN, WHOAMI, refused, told

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Synadmin
    from tests.unit.stub import Stub

EVENT = "/_synapse/admin/v1/fetch_event/%24e"


@pytest.mark.parametrize(
    ("arguments", "stdin"),
    [
        (("alice",), b""),
        (("alice",), b" \n\n"),
        (("alice", "-m", ""), b""),
        (("alice", "-m", "x", "--content", "{}"), b""),
        (("alice", "--content", "[]"), b""),
        (("alice", "--content", "{"), b""),
        (("--from", "-"), b"alice\nbob\n"),
        (("-m", "x"), b""),
        (("alice", "-m", "x", "--transaction-id", ""), b""),
        (("alice", "-m", "x", "--transaction-id", "7", "--no-transaction"), b""),
        (("alice", "@bob:other.example", "-m", "x"), b""),
        (("alice", "bob", "-m", "x"), b""),
    ],
)
def test_nobody_hears_what_cannot_be_meant(
    signed_in: Stub, synadmin: Synadmin, arguments: tuple[str, ...], stdin: bytes
) -> None:
    answer = synadmin("notice", "send", *arguments, "-q", stdin=stdin)

    answer.assert_is_one_clear_line(code=2)
    assert signed_in.targets == []


def test_each_user_has_a_transaction_of_their_own(signed_in: Stub, synadmin: Synadmin) -> None:
    said = {"msgtype": "m.text", "body": "hello"}
    signed_in.on(WHOAMI, told({"user_id": ADMIN, "device_id": "D"}))
    signed_in.on("*", told({"event_id": "$e"}))
    signed_in.on(EVENT, told({"event": sent(said)}))

    answer = synadmin(
        *("notice", "send", "alice", "bob", "--transaction-id", "a/b", "--yes", "-o", "ndjson"),
        stdin=b"hello\n",
    )

    puts = [request for request in signed_in.requests if request.method == "PUT"]
    assert answer.code == 0, answer.stderr
    assert [request.target.rpartition("/")[2] for request in puts] == [
        "a%2Fb-%40alice%3Aexample.org",
        "a%2Fb-%40bob%3Aexample.org",
    ]
    assert puts[0].json == {"user_id": "@alice:example.org", "content": said}
    assert [json.loads(line)["transaction_id"] for line in answer.stdout.splitlines()] == ["a/b", "a/b"]


def sent(content: object) -> dict[str, object]:
    return {
        "type": "m.room.message",
        "sender": "@notices:example.org",
        "room_id": "!n:example.org",
        "origin_server_ts": 1,
        "content": content,
    }


def test_the_transaction_is_told_before_anything_can_go_wrong(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on(WHOAMI, told({"user_id": ADMIN, "device_id": "D"}))
    signed_in.on("*", refused(400, "M_UNKNOWN", "Server notices are not enabled on this server"))

    answer = synadmin("notice", "send", "alice", "-m", "hello")

    first, second = answer.stderr.splitlines()
    assert answer.code == 1
    assert first.startswith("Transaction id: synadmin-")
    assert "Server notices are not enabled on this server" in second
