"""`synadmin user list|find|...`: options refused before any request, hints, and unusual answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.unit.cli.terminal import Terminal
from tests.unit.stub import json_reply, refused

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.conftest import Synadmin
    from tests.unit.stub import Stub

SEARCH = "/_synapse/admin/v1/search_users/%40admin%3Aexample.org"


@pytest.mark.parametrize(
    "arguments",
    [
        ("list", "--name", "a", "--user-id", "b"),
        ("list", "--order-by", "shoe-size"),
        ("find",),
        ("find", "--email", "a@b", "--phone", "44"),
        ("find", "--phone", "forty-four"),
        ("find", "--phone", "\u0664\u0664"),
        ("show", "alice:example.org"),
        ("show", "@alice"),
    ],
)
def test_invalid_options_are_refused_before_any_request(
    signed_in: Stub, synadmin: Synadmin, arguments: tuple[str, ...]
) -> None:
    result = synadmin("user", *arguments)

    result.assert_one_line_error(code=2)
    assert signed_in.targets == []


def test_localpart_is_completed_with_the_local_server_name(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on("*", json_reply({"name": "@a=2fb/c:example.org"}))

    synadmin("user", "show", "a=2fb/c")

    assert signed_in.targets[0] == "GET /_synapse/admin/v2/users/%40a%3D2fb%2Fc%3Aexample.org"


def test_new_fields_are_shown(signed_in: Stub, synadmin: Synadmin) -> None:
    details = {"favourite_colour": "green", "name": "@alice:example.org", "creation_ts": 1}
    signed_in.on("*", json_reply(details))

    shown = json.loads(synadmin("user", "show", "alice", "-o", "json").stdout)
    assert shown == details | {"joined_rooms": None, "devices": None}
    assert synadmin("user", "show", "alice").stdout == (
        "user id           @alice:example.org\n"
        "joined rooms      -\n"
        "devices           -\n"
        "favourite colour  green\n"
        "created           1970-01-01T00:00:01Z\n"
    )


def test_search_hides_only_password_hashes(signed_in: Stub, synadmin: Synadmin) -> None:
    account = {"name": "@alice:example.org", "password_hash": "$2b$12$x", "new": 1}
    signed_in.on(SEARCH, json_reply([account, {"name": "@bob:example.org", "password_hash": None}]))

    withheld = json.loads(synadmin("user", "search", "a", "-o", "json").stdout)
    with_hashes = json.loads(synadmin("user", "search", "a", "--password-hashes", "-o", "json").stdout)

    assert withheld[0] == {**account, "password_hash": "(withheld)"}
    assert withheld[1]["password_hash"] is None
    assert with_hashes[0] == account


def test_answer_without_availability_is_an_error(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on("*", refused(403, "M_FORBIDDEN", "You are not a server admin"))

    assert synadmin("user", "available", "alice").code == 3


def test_list_with_usual_names_fits_80_columns(signed_in: Stub, synadmin: Synadmin) -> None:
    account = {
        "name": "@alice.liddell:matrix.example.org",
        "displayname": "Alice Liddell",
        "admin": False,
        "deactivated": False,
        "locked": False,
        "shadow_banned": False,
        "creation_ts": 1_700_000_000_000,
    }
    signed_in.on("*", json_reply({"users": [account], "total": 1}))

    lines = synadmin("user", "list").stdout.splitlines()

    assert max(map(len, lines)) <= 80
    assert synadmin("user", "list", "--columns", "name,creation_ts").stdout.endswith("2023-11-14T22:13:20Z\n")


def test_address_without_an_account_hints_at_a_user_id(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on("*", refused(404, "M_NOT_FOUND", "User not found"))

    result = synadmin("user", "find", "alice@example.org")

    result.assert_one_line_error(code=4)
    assert "no account has the address 'alice@example.org'" in result.stderr
    assert "hint: for a user id, write @alice:example.org" in result.stderr
    assert "for a user id" not in synadmin("user", "find", "--email", "alice@example.org").stderr


@pytest.mark.parametrize(("options", "is_hinted"), [((), True), (("--no-locked",), False), (("-q",), False)])
def test_list_on_a_terminal_says_that_locked_accounts_are_left_out(
    signed_in: Stub, work: Path, options: tuple[str, ...], *, is_hinted: bool
) -> None:
    signed_in.on("*", json_reply({"users": [{"name": "@alice:example.org"}], "total": 1}))

    with Terminal("-m", "synadmin", "user", "list", *options, cwd=work) as terminal:
        assert terminal.end() == 0

    assert "@alice:example.org" in terminal.shown
    assert ("hint: locked accounts are left out: --locked lists them" in terminal.shown) == is_hinted


@pytest.mark.parametrize(
    "arguments",
    [
        ("user", "show", "@nora"),
        ("room", "list", "--member", "@nora"),
        ("room", "make-admin", "!a:example.org", "--user", "@nora"),
        ("room", "set-power", "!a:example.org", "@nora", "50"),
        ("report", "list", "--about", "@nora"),
    ],
    ids=lambda words: "-".join(words[:2]),
)
def test_user_id_without_a_server_name_hints_at_the_localpart(
    signed_in: Stub, synadmin: Synadmin, arguments: tuple[str, ...]
) -> None:
    signed_in.on("*", json_reply({}))

    result = synadmin(*arguments)

    result.assert_one_line_error(code=2)
    assert "hint: write 'nora' for an account of your own server" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words", "name"),
    [
        (("user", "show", "nora2"), "User not found", "@nora2:example.org"),
        (("device", "list", "nora2"), "User not found", "@nora2:example.org"),
        (("room", "show", "!x"), "Room not found", "!x"),
    ],
    ids=lambda value: "-".join(value[:2]) if isinstance(value, tuple) else "",
)
def test_not_found_error_names_the_user_or_room(
    signed_in: Stub, synadmin: Synadmin, arguments: tuple[str, ...], words: str, name: str
) -> None:
    signed_in.on("*", refused(404, "M_NOT_FOUND", words))

    result = synadmin(*arguments)

    result.assert_one_line_error(code=4)
    assert result.stderr.startswith(f"synadmin: {name}: {words} (M_NOT_FOUND, HTTP 404)\nhint: ")
