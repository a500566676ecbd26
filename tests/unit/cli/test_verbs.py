"""Declared commands: questions, dry runs, and the command that resumes a run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click
import pytest

from synadmin.cli.app import app
from synadmin.cli.operations import commands
from synadmin.cli.verbs import Change
from tests.unit.cli.terminal import Terminal
from tests.unit.stub import ADMIN, json_reply, refused

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from synadmin.client import Synapse
    from tests.unit.cli.conftest import Synadmin
    from tests.unit.stub import Stub

MEMBERSHIPS = "/_synapse/admin/v1/users/%40{}%3Aexample.org/memberships"
ACCOUNT = {"name": "@alice:example.org", "admin": False, "locked": False, "suspended": False}
QUESTIONS = [
    (
        ("user", "lock"),
        {},
        "1 account will be locked: @alice:example.org. The sessions of this account stop working",
    ),
    (
        ("user", "suspend"),
        {},
        "1 account will be suspended: @alice:example.org. Then this account can only read",
    ),
    (
        ("user", "shadow-ban"),
        {},
        "1 account will be shadow-banned: @alice:example.org. The messages of this account will appear sent",
    ),
    (
        ("user", "reactivate"),
        {"deactivated": True},
        "1 account will be made active again: @alice:example.org. With a new password, this account can",
    ),
    (("user", "admin", "grant"), {}, "1 account will have full admin rights on this server"),
    (("user", "admin", "revoke"), {"admin": True}, "1 account will no longer be a server admin"),
]


@pytest.mark.parametrize(("command", "state", "question"), QUESTIONS, ids=str)
def test_changes_of_access_ask_first(
    signed_in: Stub, synadmin: Synadmin, command: tuple[str, ...], state: dict[str, object], question: str
) -> None:
    signed_in.on("*", json_reply(ACCOUNT | state))
    signed_in.on("/_synapse/admin/v2/users", json_reply({"users": [], "total": 0}))
    signed_in.on(MEMBERSHIPS.format("alice"), json_reply({"memberships": {}}))

    result = synadmin(*command, "alice")
    dry_run = synadmin(*command, "alice", "--dry-run", "-o", "json")

    result.assert_one_line_error(code=2)
    assert question in result.stderr
    assert (dry_run.code, json.loads(dry_run.stdout)[0]["outcome"]) == (0, "planned")
    assert f"The run will ask: {question}" in dry_run.stderr
    assert {request.method for request in signed_in.requests} == {"GET"}


@pytest.mark.parametrize("dry_run", [(), ("--dry-run",)])
@pytest.mark.parametrize("verb", ["lock", "deactivate"])
def test_dry_run_refuses_what_the_run_refuses(
    signed_in: Stub, synadmin: Synadmin, verb: str, dry_run: tuple[str, ...]
) -> None:
    signed_in.on("*", json_reply(ACCOUNT))

    result = synadmin("user", verb, ADMIN, "--yes", *dry_run)

    result.assert_one_line_error(code=5)
    assert "your own account" in result.stderr
    assert {request.method for request in signed_in.requests} == {"GET"}


def test_dry_run_has_the_exit_code_of_the_run(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on("*", json_reply(ACCOUNT | {"deactivated": False}))

    run = synadmin("user", "reactivate", "alice", "bob", "--yes", "-o", "json")
    dry_run = synadmin("user", "reactivate", "alice", "bob", "--dry-run", "-o", "json")

    assert [record["outcome"] for record in json.loads(dry_run.stdout)] == ["refused", "refused"]
    assert dry_run.code == run.code == 5
    assert "2 users: 2 refused." in run.stderr


def test_more_than_three_targets_ask_first(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on("*", json_reply(ACCOUNT | {"locked": True}))

    three = synadmin("user", "unlock", "a", "b", "c", "--dry-run")
    four = synadmin("user", "unlock", "a", "b", "c", "d")

    assert "will ask" not in three.stderr
    assert four.code == 2
    assert "Unlock @a:example.org, @b:example.org, @c:example.org, @d:example.org?" in four.stderr


def test_unknown_account_is_named(signed_in: Stub, synadmin: Synadmin) -> None:
    account = "/_synapse/admin/v2/users/%40ghost%3Aexample.org"
    signed_in.on(account, refused(404, "M_NOT_FOUND", "User not found"))
    signed_in.on("*", json_reply({"users": [], "total": 0}))
    signed_in.on(MEMBERSHIPS.format("ghost"), json_reply({"memberships": {}}))

    result = synadmin("user", "lock", "ghost", "--yes")

    assert result.code == 4
    assert result.stderr.startswith("synadmin: @ghost:example.org: User not found (M_NOT_FOUND, HTTP 404)\n")


def test_refused_targets_are_shown_before_the_question(signed_in: Stub, work: Path) -> None:
    accounts = "/_synapse/admin/v2/users/%40{}%3Aexample.org"
    signed_in.on(accounts.format("alice"), json_reply(ACCOUNT))
    signed_in.on(accounts.format("bob"), json_reply(ACCOUNT | {"locked": True}))
    signed_in.on(accounts.format("ghost"), refused(404, "M_NOT_FOUND", "User not found"))
    signed_in.on("*", json_reply({"users": [], "total": 0}))
    for user in ("alice", "bob", "ghost"):
        signed_in.on(MEMBERSHIPS.format(user), json_reply({"memberships": {}}))

    with Terminal("-m", "synadmin", "user", "lock", "alice", "bob", "ghost", cwd=work) as terminal:
        terminal.see("[y/N]")
        terminal.type("q\n")
        code = terminal.end()

    shown = " ".join(terminal.shown.split())
    assert code == 2
    assert shown.index("@ghost:example.org: failed: User not found") < shown.index("Plan: 1 to lock")
    assert "Plan: 1 to lock, 1 unchanged, 1 failed." in shown
    assert "1 account will be locked: @alice:example.org." in shown
    assert not any(request.method in {"PUT", "POST"} for request in signed_in.requests)


def test_interrupted_bulk_names_the_resume_command(
    signed_in: Stub, synadmin: Synadmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = {"name": "@a:example.org", "locked": False}
    replies = [json_reply(locked | {"locked": is_locked}) for is_locked in (False, True, True)]
    signed_in.on("/_synapse/admin/v2/users/%40a%3Aexample.org", *replies)
    signed_in.on("/_synapse/admin/v2/users/%40b%3Aexample.org", json_reply(locked))
    signed_in.on(MEMBERSHIPS.format("a"), json_reply({"memberships": {}}))
    signed_in.on("/_synapse/admin/v2/users", json_reply({"users": [], "total": 0}))
    from synadmin.cli.user import state

    original_act = state.lock.act

    def interrupted(synapse: Synapse, name: str, values: Mapping[str, Any]) -> object:
        if name.startswith("@b"):
            raise KeyboardInterrupt
        return original_act(synapse, name, values)

    monkeypatch.setattr(state.lock, "act", interrupted)

    result = synadmin("user", "lock", "a", "@b:example.org", "a", "--yes", "-o", "json")
    entries = synadmin("journal", "show", "last", "-o", "ndjson").stdout.splitlines()

    assert result.code == 130
    assert [record["outcome"] for record in json.loads(result.stdout)] == ["done", "unknown"]
    assert "`synadmin journal resume last` continues with the rest\n" in result.stderr
    arguments = next(json.loads(line)["arguments"] for line in entries if "arguments" in line)
    assert arguments == ["user", "lock", "--yes", "--", "@a:example.org", "@b:example.org"]


CHANGES = [(path, command) for path, command in commands(app) if isinstance(command, Change)]


@pytest.mark.parametrize(
    ("path", "command"), CHANGES, ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_every_change_has_the_options_of_a_change(path: tuple[str, ...], command: Change) -> None:
    names = {name for option in command.get_params(click.Context(command)) for name in option.opts}

    assert {"--yes", "--dry-run", "-o", "--columns"} <= names, path


def test_common_options_are_built_once() -> None:
    context = click.Context(app)
    first, second = app.get_params(context), app.get_params(context)

    assert [id(option) for option in first if option.name != "help"] == [
        id(option) for option in second if option.name != "help"
    ]


def test_run_of_a_three_word_command_is_resumed(
    signed_in: Stub, synadmin: Synadmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = "/_synapse/admin/v2/users/%40{}%3Aexample.org"
    admin = "/_synapse/admin/v1/users/%40{}%3Aexample.org/admin"
    for user in "ab":
        name = {"name": f"@{user}:example.org"}
        signed_in.on(account.format(user), json_reply(name | {"admin": False}))
        signed_in.on(admin.format(user), json_reply({}), json_reply({"admin": True}))
    from synadmin.cli.user import access

    grant = access.grant.function

    def interrupted(synapse: object, user_id: str) -> object:
        if user_id.startswith("@b"):
            raise KeyboardInterrupt
        return grant(synapse, user_id)

    with monkeypatch.context() as patched:
        patched.setattr(access.grant, "function", interrupted)
        interrupted_run = synadmin("user", "admin", "grant", "a", "b", "--yes")
    signed_in.on(account.format("a"), json_reply({"name": "@a:example.org", "admin": True}))

    resumed = synadmin("journal", "resume", "last", "-o", "json")

    assert interrupted_run.code == 130
    assert resumed.code == 0, resumed.stderr
    # The resumed run does not read again what the first run has finished.
    records = [(record["user_id"], record["outcome"]) for record in json.loads(resumed.stdout)]
    assert records == [("@b:example.org", "done")]
