"""The events of a room: invalid options, filters, pages, and the summary of an event."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from synadmin.cli.room.timeline import event_text
from tests.unit.stub import json_reply

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Synadmin
    from tests.unit.stub import Stub

ROOM = "!club:example.org"
MESSAGES = "/_synapse/admin/v1/rooms/%21club%3Aexample.org/messages"


@pytest.mark.parametrize(
    "arguments",
    [
        ("messages", ROOM, "--filter", "{"),
        ("messages", ROOM, "--filter", "[]"),
        ("messages", ROOM, "--limit", "0"),
        ("messages", ROOM, "--sender", "no one"),
        ("context", ROOM, "event"),
        ("context", ROOM, "$a b"),
        ("event-at", ROOM, "yesterday"),
        ("event-at", ROOM, "2026-02-30"),
    ],
)
def test_invalid_options_are_refused_before_any_request(
    signed_in: Stub, synadmin: Synadmin, arguments: tuple[str, ...]
) -> None:
    result = synadmin("room", *arguments)

    result.assert_one_line_error(code=2)
    assert signed_in.targets == []


def test_options_and_filter_are_combined(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on(MESSAGES, json_reply({"chunk": [], "start": "t1"}))

    result = synadmin(
        *("room", "messages", ROOM, "--filter", '{"contains_url": true, "types": ["x"]}'),
        *("--type", "m.room.message", "--sender", "alice", "--limit", "7", "--start", "t9"),
    )

    query = parse_qs(urlsplit(signed_in.targets[-1].partition(" ")[2]).query)
    assert result.stderr == "No such event: this server may know no events of this room.\n"
    assert json.loads(query.pop("filter")[0]) == {
        "contains_url": True,
        "types": ["m.room.message"],
        "senders": ["@alice:example.org"],
    }
    assert query == {"dir": ["b"], "limit": ["7"], "from": ["t9"]}


def test_only_the_shown_pages_are_requested(signed_in: Stub, synadmin: Synadmin) -> None:
    event = {"type": "m.room.message", "sender": "@a:b", "content": {"body": "x"}, "origin_server_ts": 0}
    page = {"chunk": [event | {"event_id": f"${number}"} for number in range(3)], "end": "t2"}
    signed_in.on(MESSAGES, json_reply(page))

    result = synadmin("room", "messages", ROOM, "--limit", "3", "-o", "ndjson")

    assert len(result.stdout.splitlines()) == 3
    assert len(signed_in.targets) == 1


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"content": {"body": "hello"}}, "hello"),
        ({"content": {"body": 5}}, {"body": 5}),
        ({"content": {"membership": "join"}}, {"membership": "join"}),
        ({"content": {}, "redacted_because": {"type": "m.room.redaction"}}, "(redacted)"),
        ({"content": {"membership": "join"}, "redacted_because": {}}, {"membership": "join"}),
        ({"content": []}, []),
        ({}, None),
    ],
)
def test_summary_of_an_event(event: dict[str, object], words: object) -> None:
    assert event_text(event) == words
