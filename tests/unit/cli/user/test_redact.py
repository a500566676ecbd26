"""What `synadmin user redact` refuses and asks before anything is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.cli.terminal import Terminal
from tests.unit.stub import refused, told

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.conftest import Synadmin
    from tests.unit.stub import Stub

USER = "%40spam%3Aelsewhere.example"


def has_said(stub: Stub, **messages: int) -> None:
    """Let the user be in rooms with so many messages in each."""
    event = {"type": "m.room.message", "sender": "@spam:elsewhere.example", "content": {"body": "buy"}}
    stub.on(
        f"/_synapse/admin/v1/users/{USER}/memberships",
        told({"memberships": dict.fromkeys(messages, "leave")}),
    )
    for room, number in messages.items():
        chunk = [{**event, "event_id": f"${room}{one}", "origin_server_ts": one} for one in range(number)]
        stub.on(f"/_synapse/admin/v1/rooms/%21{room[1:]}/messages", told({"chunk": chunk, "start": "s"}))


@pytest.mark.parametrize(
    "flags",
    [
        ("--after", "1h", "--before", "2h"),
        ("--limit", "0"),
        ("--limit", "many"),
        ("--after", "2026-02-31"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_sent(
    signed_in: Stub, synadmin: Synadmin, flags: tuple[str, ...]
) -> None:
    answer = synadmin("user", "redact", "@spam:elsewhere.example", *flags, "--yes")

    answer.assert_is_one_clear_line(code=2)
    assert signed_in.targets == []


def test_the_question_names_whose_messages_in_how_many_rooms(signed_in: Stub, work: Path) -> None:
    has_said(signed_in, **{"!a": 3, "!b": 0, "!c": 1})

    with Terminal("-m", "synadmin", "user", "redact", "@spam:elsewhere.example", cwd=work) as terminal:
        terminal.see("[y/N]")
        terminal.type("n\n")
        terminal.end()

    words = " ".join(terminal.shown.split())
    assert "4 messages of @spam:elsewhere.example in 2 rooms will be redacted for good" in words
    assert "(at most 1000 in each room)" in words
    assert not any(request.method == "POST" for request in signed_in.requests)


def test_a_redaction_that_the_server_gave_up_is_a_failure(signed_in: Stub, synadmin: Synadmin) -> None:
    has_said(signed_in, **{"!a": 1})
    status = "/_synapse/admin/v1/user/redact_status/abc"
    signed_in.on(f"/_synapse/admin/v1/user/{USER}/redact", told({"redact_id": "abc"}))
    signed_in.on(status, told({"status": "active"}), told({"status": "failed", "error": "out of luck"}))

    waited = synadmin("user", "redact", "@spam:elsewhere.example", "--yes")
    looked = synadmin("user", "redact-status", "abc", "-o", "json")

    waited.assert_is_one_clear_line(code=1)
    assert "out of luck" in waited.stderr
    assert looked.code == 1


def test_a_second_redaction_of_the_same_user_is_the_servers_to_refuse(
    signed_in: Stub, synadmin: Synadmin
) -> None:
    signed_in.on("*", refused(400, "M_UNKNOWN", "Redact already in progress for user"))

    answer = synadmin("user", "redact", "@spam:elsewhere.example", "--yes")

    answer.assert_is_one_clear_line(code=1)
