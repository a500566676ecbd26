"""Passwords and tokens: options refused before any request, and the questions on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.cli.terminal import Terminal
from tests.unit.stub import json_reply, refused

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.conftest import Synadmin
    from tests.unit.stub import Stub

RESET = "/_synapse/admin/v1/reset_password/%40alice%3Aexample.org"
DEVICES = "/_synapse/admin/v2/users/%40alice%3Aexample.org/devices"


@pytest.mark.parametrize(
    "arguments",
    [
        ("login", "alice", "--until", "2020-01-01", "--yes"),
        ("login", "alice", "--until", "soon", "--yes"),
        ("validity", "alice", "--until", "2001-01-01"),
        ("validity", "alice", "--until", "2026-02-31"),
        ("password", "@alice"),
        ("admin", "grant"),
    ],
)
def test_invalid_options_are_refused_before_any_request(
    signed_in: Stub, synadmin: Synadmin, arguments: tuple[str, ...]
) -> None:
    result = synadmin("user", *arguments, stdin=b"password")

    result.assert_one_line_error(code=2)
    assert signed_in.targets == []


def test_server_without_account_validity_is_explained(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on(
        "/_synapse/admin/v1/account_validity/validity", refused(500, "M_UNKNOWN", "Internal server error")
    )
    signed_in.on("*", json_reply({"name": "@alice:example.org"}))

    result = synadmin("user", "validity", "alice")

    result.assert_one_line_error(code=1)
    assert "account_validity.period" in result.stderr


def test_password_question_counts_sessions_and_asks_twice(signed_in: Stub, work: Path) -> None:
    device = {"device_id": "PHONE", "user_id": "@alice:example.org"}
    ended = json_reply({"devices": [], "total": 0})
    signed_in.on(DEVICES, json_reply({"devices": [device], "total": 1}), ended)
    signed_in.on(RESET, json_reply({}))

    with Terminal("-m", "synadmin", "user", "password", "alice", cwd=work) as terminal:
        terminal.see("1 session will end. Continue? [y/N]")
        terminal.type("y\n")
        terminal.see("New password for @alice:example.org:")
        terminal.type("wonderland\n")
        terminal.see("Repeat it:")
        terminal.type("wonderland\n")
        code = terminal.end()

    (sent,) = [request for request in signed_in.requests if request.method == "POST"]
    assert code == 0
    assert sent.json == {"new_password": "wonderland", "logout_devices": True}
    assert "wonderland" not in terminal.shown


def test_different_second_password_is_not_set(signed_in: Stub, work: Path) -> None:
    with Terminal("-m", "synadmin", "user", "password", "alice", "--keep-devices", cwd=work) as terminal:
        terminal.see("New password")
        terminal.type("wonderland\n")
        terminal.see("Repeat it:")
        terminal.type("wunderland\n")
        code = terminal.end()

    assert code == 2
    assert not any(request.method == "POST" for request in signed_in.requests)
