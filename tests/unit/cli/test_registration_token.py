"""`synadmin registration-token`: options refused before any request, and output without the token."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from synadmin.settings import state_directory
from tests.unit.stub import HTML, json_reply, refused

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Synadmin
    from tests.unit.stub import Stub

TOKENS = "/_synapse/admin/v1/registration_tokens"
SECRET = "open~sesame"


@pytest.mark.parametrize(
    "arguments",
    [
        ("create", "a+b"),
        ("create", "\u0435"),
        ("create", "x" * 65),
        ("create", "--length", "65"),
        ("create", "x", "--length", "5"),
        ("create", "--uses", "-1"),
        ("create", "--expires", "2001-01-01"),
        ("create", "--expires", "2026-13-01"),
        ("update", "x"),
        ("update", "x", "--uses", "1", "--unlimited"),
        ("update", "x", "--expires", "1d", "--never-expires"),
        ("delete", "--yes"),
    ],
)
def test_invalid_options_are_refused_before_any_request(
    signed_in: Stub, synadmin: Synadmin, arguments: tuple[str, ...]
) -> None:
    result = synadmin("registration-token", *arguments)

    result.assert_one_line_error(code=2)
    assert signed_in.targets == []


def test_no_limit_is_sent_as_null(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on("*", json_reply({"token": "x", "uses_allowed": None, "expiry_time": 1}))

    result = synadmin("registration-token", "update", "x", "--unlimited")

    (sent,) = [request for request in signed_in.requests if request.method == "PUT"]
    assert result.code == 0
    assert sent.json == {"uses_allowed": None}


def test_number_that_differs_from_the_request_is_failed(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on("*", json_reply({"token": "x", "uses_allowed": 3}))

    synadmin("registration-token", "update", "x", "--uses", "5").assert_one_line_error(code=1)


@pytest.mark.parametrize("dry_run", [(), ("--dry-run",)])
def test_existing_token_is_unchanged(signed_in: Stub, synadmin: Synadmin, dry_run: tuple[str, ...]) -> None:
    signed_in.on(f"{TOKENS}/x", json_reply({"token": "x", "uses_allowed": 3}))

    result = synadmin("registration-token", "create", "x", *dry_run)

    result.assert_one_line_error(code=5)
    assert "`update` changes it" in result.stderr
    assert {request.method for request in signed_in.requests} == {"GET"}


def test_token_is_not_in_journal_or_trace(signed_in: Stub, synadmin: Synadmin) -> None:
    token = {"token": SECRET, "uses_allowed": None, "expiry_time": None}
    signed_in.on(f"{TOKENS}/new", json_reply(token))
    signed_in.on(f"{TOKENS}/{SECRET}", refused(404, "M_NOT_FOUND"), json_reply(token))

    results = [
        synadmin("registration-token", "create", SECRET, "-v"),
        synadmin("registration-token", "update", SECRET, "--unlimited", "-v"),
        synadmin("api", "DELETE", f"{TOKENS}/{SECRET}", "-v"),
        synadmin("journal", "list", "--requests", "-o", "json"),
    ]

    assert [result.code for result in results] == [0, 0, 0, 0]
    assert all(SECRET not in result.stderr for result in results)
    lines = json.loads(results[-1].stdout)
    assert [(line["method"], line["path"]) for line in lines] == [
        ("POST", f"{TOKENS}/new"),
        ("PUT", f"{TOKENS}/(removed)"),
        ("DELETE", f"{TOKENS}/(removed)"),
    ]
    assert SECRET.encode() not in (state_directory() / "journal.sqlite3").read_bytes()
    undo_result = synadmin("journal", "undo", "last")
    undo_result.assert_one_line_error(code=5)


def test_guest_text_has_server_token_uses_and_expiry(signed_in: Stub, synadmin: Synadmin) -> None:
    token = {"token": SECRET, "uses_allowed": 1, "expiry_time": 4_102_444_800_000}
    signed_in.on(f"{TOKENS}/new", json_reply(token))
    signed_in.on(f"{TOKENS}/{SECRET}", json_reply(token))
    command = ("registration-token", "create", "--uses", "1", "--expires", "2100-01-01")

    without_well_known = synadmin(*command)
    signed_in.on("/.well-known/matrix/client", HTML)
    html_well_known = synadmin(*command)
    signed_in.on(
        "/.well-known/matrix/client",
        json_reply({"m.homeserver": {"base_url": "https://matrix.example.org/"}}),
    )
    as_text, as_json = synadmin(*command), synadmin(*command, "-o", "json")

    assert as_text.stdout.partition("For the guest:\n\n")[2].splitlines() == [
        "You can create an account on the Matrix server example.org.",
        "Homeserver: example.org (address: https://matrix.example.org)",
        f"Registration token: {SECRET}",
        "Valid for: 1 account",
        "Valid until: 2100-01-01 00:00 UTC",
    ]
    for result in (without_well_known, html_well_known):
        assert "\nHomeserver: example.org\n" in result.stdout
    assert json.loads(as_json.stdout)[0]["token"] == SECRET
    assert SECRET not in as_text.stderr


@pytest.mark.parametrize("arguments", [("show", SECRET), ("delete", SECRET, "--yes")])
def test_error_about_an_unknown_token_does_not_show_it(
    signed_in: Stub, synadmin: Synadmin, arguments: tuple[str, ...]
) -> None:
    signed_in.on(f"{TOKENS}/{SECRET}", refused(404, "M_NOT_FOUND", "No such registration token"))

    result = synadmin("registration-token", *arguments)

    assert result.code == 4
    assert "No such registration token" in result.stderr
    assert SECRET not in result.stderr
