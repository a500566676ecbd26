"""Shell completion of ids from a saved file; only ``--refresh`` sends requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.shell_completion import BashComplete, ZshComplete

from synadmin.cli.app import app
from synadmin.settings import state_directory
from tests.unit.stub import ADMIN, WHOAMI, json_reply

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.conftest import Synadmin
    from tests.unit.stub import Stub

VARIABLE = "_SYNADMIN_COMPLETE"
ROOMS = [
    {"room_id": "!club:example.org", "name": "Club\x1b[2J"},
    {"room_id": "!v12", "name": None},
    {"room_id": "!$(reboot):evil.example", "name": "Trap"},
]
USERS = [{"name": "@alice:example.org", "displayname": "Alice"}, {"name": "@bob:example.org"}]


@pytest.fixture
def saved(signed_in: Stub, synadmin: Synadmin) -> Path:
    signed_in.on(WHOAMI, json_reply({"user_id": ADMIN}))
    signed_in.on("/_synapse/admin/v1/rooms", json_reply({"rooms": ROOMS, "offset": 0, "total_rooms": 3}))
    signed_in.on("/_synapse/admin/v2/users", json_reply({"users": USERS, "total": 2}))
    result = synadmin("completion", "--refresh")
    path = state_directory() / "completion" / "example.org.txt"
    assert (result.code, result.stdout) == (0, f"Saved the ids of 3 rooms and 2 users in {path}.\n"), result
    signed_in.requests.clear()
    return path


def completions(line: str, monkeypatch: pytest.MonkeyPatch, shell: type = ZshComplete) -> list[str]:
    """Return the completions of the last word of a line."""
    monkeypatch.setenv(VARIABLE, f"{shell.name}_complete")  # type: ignore[attr-defined]
    monkeypatch.setenv("COMP_WORDS", line)
    *words, start = line.split(" ")
    complete = shell(app, {}, "synadmin", VARIABLE)
    return [item.value for item in complete.get_completions(words[1:], start.removeprefix("'"))]


@pytest.mark.usefixtures("saved")
@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("synadmin room show !c", ["!club:example.org"]),
        ("synadmin room show ", ["!club:example.org", "!v12"]),
        ("synadmin room make-admin !club:example.org !v", ["!v12"]),
        ("synadmin room set-power !v12 b", ["bob"]),
        ("synadmin user lock a", ["alice"]),
        ("synadmin user show @a", ["@alice:example.org"]),
        ("synadmin device list c", []),
    ],
)
def test_saved_ids_are_completed_without_a_request(
    line: str, values: list[str], monkeypatch: pytest.MonkeyPatch, signed_in: Stub
) -> None:
    assert completions(line, monkeypatch) == values
    assert signed_in.requests == []


@pytest.mark.usefixtures("saved")
@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("synadmin room show '!v", ["!v12"]),
        ("synadmin room show ", ["'!club:example.org'", "'!v12'"]),
        ("synadmin room show !v", []),  # bash would replace it from the history
    ],
)
def test_room_id_is_quoted_in_bash(line: str, values: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert completions(line, monkeypatch, BashComplete) == values


def test_completion_file_is_private_and_has_no_control_characters(saved: Path) -> None:
    assert saved.stat().st_mode & 0o777 == 0o600
    assert saved.parent.stat().st_mode & 0o777 == 0o700
    assert "\x1b" not in saved.read_text("utf-8")


@pytest.mark.usefixtures("work")
def test_nothing_is_completed_without_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    assert completions("synadmin room show ", monkeypatch) == []


@pytest.mark.parametrize("arguments", [(), ("bash", "--refresh")])
def test_completion_needs_a_shell_or_refresh(synadmin: Synadmin, arguments: tuple[str, ...]) -> None:
    synadmin("completion", *arguments).assert_one_line_error(code=2)


def test_server_name_cannot_leave_the_directory(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on(WHOAMI, json_reply({"user_id": "@admin:../../../evil"}))
    signed_in.on("/_synapse/admin/v1/rooms", json_reply({"rooms": [], "offset": 0, "total_rooms": 0}))
    signed_in.on("/_synapse/admin/v2/users", json_reply({"users": [], "total": 0}))
    assert synadmin("completion", "--refresh").code == 0
    assert [*state_directory().parent.parent.rglob("*evil*")] == [
        state_directory() / "completion" / "..%2F..%2F..%2Fevil.txt"
    ]
