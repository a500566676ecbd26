"""`synadmin user redact`: options refused before any request, the question, and a failed redaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.cli.terminal import Terminal
from tests.unit.stub import json_reply, refused

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.conftest import Synadmin
    from tests.unit.stub import Stub

USER = "%40spam%3Aelsewhere.example"


def set_messages(stub: Stub, **messages: int) -> None:
    """Set the rooms of the user, with the number of messages in each room."""
    event = {"type": "m.room.message", "sender": "@spam:elsewhere.example", "content": {"body": "buy"}}
    stub.on(
        f"/_synapse/admin/v1/users/{USER}/memberships",
        json_reply({"memberships": dict.fromkeys(messages, "leave")}),
    )
    for room, number in messages.items():
        chunk = [
            {**event, "event_id": f"${room}{index}", "origin_server_ts": index} for index in range(number)
        ]
        stub.on(
            f"/_synapse/admin/v1/rooms/%21{room[1:]}/messages", json_reply({"chunk": chunk, "start": "s"})
        )


@pytest.mark.parametrize(
    "flags",
    [
        ("--after", "1h", "--before", "2h"),
        ("--limit", "0"),
        ("--limit", "many"),
        ("--after", "2026-02-31"),
    ],
)
def test_invalid_options_are_refused_before_any_request(
    signed_in: Stub, synadmin: Synadmin, flags: tuple[str, ...]
) -> None:
    result = synadmin("user", "redact", "@spam:elsewhere.example", *flags, "--yes")

    result.assert_one_line_error(code=2)
    assert signed_in.targets == []


def test_redact_question_names_users_and_counts_rooms(signed_in: Stub, work: Path) -> None:
    set_messages(signed_in, **{"!a": 3, "!b": 0, "!c": 1})

    with Terminal("-m", "synadmin", "user", "redact", "@spam:elsewhere.example", cwd=work) as terminal:
        terminal.see("[y/N]")
        terminal.type("n\n")
        terminal.end()

    words = " ".join(terminal.shown.split())
    assert "4 messages and joins of @spam:elsewhere.example in 2 rooms will be redacted permanently" in words
    assert "(at most 1000 in each room)" in words
    assert not any(request.method == "POST" for request in signed_in.requests)


def test_redaction_that_the_server_gave_up_is_failed(signed_in: Stub, synadmin: Synadmin) -> None:
    set_messages(signed_in, **{"!a": 1})
    status = "/_synapse/admin/v1/user/redact_status/abc"
    signed_in.on(f"/_synapse/admin/v1/user/{USER}/redact", json_reply({"redact_id": "abc"}))
    signed_in.on(
        status, json_reply({"status": "active"}), json_reply({"status": "failed", "error": "out of luck"})
    )

    waited = synadmin("user", "redact", "@spam:elsewhere.example", "--yes")
    status_result = synadmin("user", "redact-status", "abc", "-o", "json")

    waited.assert_one_line_error(code=1)
    assert "out of luck" in waited.stderr
    assert status_result.code == 1


def test_second_redaction_of_a_user_is_refused_by_the_server(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on("*", refused(400, "M_UNKNOWN", "Redact already in progress for user"))

    result = synadmin("user", "redact", "@spam:elsewhere.example", "--yes")

    result.assert_one_line_error(code=1)
