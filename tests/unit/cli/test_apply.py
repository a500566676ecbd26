"""An edited plan file cannot choose the server or answer the question."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.stub import ADMIN, WHOAMI, json_reply

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.conftest import Synadmin
    from tests.unit.stub import Stub

OFFBOARD = ["user", "offboard", "@alice:example.org", "--to", "@bob:example.org"]
MAKE_ADMIN = ["room", "make-admin", "!club:example.org"]


def plan(command: list[str], **options: object) -> dict[str, Any]:
    return {
        "version": 1,
        "command": command,
        "server_name": "example.org",
        "made_by": "@other:example.org",
        "made_at": "2026-11-28T03:00:00Z",
        "options": options,
        "targets": [],
    }


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ([*MAKE_ADMIN, "--homeserver", "https://evil.example"], "--homeserver"),
        ([*MAKE_ADMIN, "--homeserver=https://evil.example"], "--homeserver"),
        ([*MAKE_ADMIN, "--profile", "other"], "--profile"),
        ([*MAKE_ADMIN, "--env-file", "other.env"], "--env-file"),
        ([*MAKE_ADMIN, "-qy"], "--yes"),
        ([*MAKE_ADMIN, "--save-plan", "other.json"], "--save-plan"),
        ([*OFFBOARD, "--yes"], "--yes"),
        (["control", "apply", "/no/such.toml", "--profile", "other"], "--profile"),
    ],
)
def test_plan_file_cannot_choose_the_server_or_answer(
    signed_in: Stub, synadmin: Synadmin, work: Path, command: list[str], option: str
) -> None:
    (work / "plan.json").write_text(json.dumps(plan(command)))

    result = synadmin("apply", "plan.json")

    result.assert_one_line_error(code=2)
    assert f"plan.json: the command line of a plan cannot have {option}" in result.stderr
    assert signed_in.requests == []


@pytest.mark.parametrize(
    "content",
    [
        "[" * 100_000,
        json.dumps(plan(OFFBOARD)),
        json.dumps(plan(OFFBOARD, pairs=["@alice:example.org"])),
        json.dumps(plan(OFFBOARD, pairs={"@alice:example.org": 3})),
        json.dumps(plan(OFFBOARD, pairs={"@alice:example.org": []})),
        json.dumps(plan(OFFBOARD, pairs={"@carol:example.org": ["@bob:example.org"]})),
    ],
)
def test_file_without_a_plan_is_refused(
    signed_in: Stub, synadmin: Synadmin, work: Path, content: str
) -> None:
    signed_in.on(WHOAMI, json_reply({"user_id": ADMIN}))
    (work / "plan.json").write_text(content)

    result = synadmin("apply", "plan.json", "--yes", "-q")

    assert result.code == 2, result
    assert "plan.json is not a plan" in result.stderr
    assert "Traceback" not in result.stderr
    assert not any(target.startswith(("POST", "PUT")) for target in signed_in.targets)
