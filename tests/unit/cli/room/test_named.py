"""Commands that change rooms given by alias: output with the room id, one lookup for each alias."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from tests.unit.cli.terminal import Terminal
from tests.unit.stub import json_reply, refused

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.conftest import Synadmin
    from tests.unit.stub import Stub

CLUB = "!club:example.org"
COMMANDS = [
    ("block", "--yes"),
    ("unblock",),
    ("delete", "--yes"),
    ("delete", "--at-once", "--yes"),
    ("purge-history", "--before", "90d", "--yes"),
    ("forward-extremities", "--clear", "--yes"),
    ("join", "alice"),
]


def directory(alias: str) -> str:
    return f"/_matrix/client/v3/directory/room/{quote(alias, safe='')}"


@pytest.fixture
def aliases(signed_in: Stub) -> Stub:
    """The stub with one room that has two aliases; it refuses all other requests."""
    for alias in ("#club:example.org", "#klub:example.org"):
        signed_in.on(directory(alias), json_reply({"room_id": CLUB, "servers": ["example.org"]}))
    signed_in.on(directory("#gone:example.org"), refused(404, "M_NOT_FOUND", "Room alias not found"))
    signed_in.on("*", refused(403, "M_FORBIDDEN", "Not that"))
    return signed_in


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("dry_run", [[], ["--dry-run"]], ids=["run", "dry run"])
def test_unchanged_room_has_its_id(
    aliases: Stub, synadmin: Synadmin, command: tuple[str, ...], dry_run: list[str]
) -> None:
    rooms = ("#club:example.org", "#gone:example.org", "!other:example.org")

    result = synadmin("room", *command, *rooms, *dry_run, "-o", "ndjson")

    outcomes = {
        record["room_id"]: record["outcome"] for record in map(json.loads, result.stdout.splitlines())
    }
    assert list(outcomes) == [CLUB, "#gone:example.org", "!other:example.org"]
    assert outcomes["#gone:example.org"] == "failed"
    assert "done" not in outcomes.values()
    looked_up = [target for target in aliases.targets if "/directory/" in target]
    assert looked_up == [f"GET {directory(alias)}" for alias in ("#club:example.org", "#gone:example.org")]


def test_dry_run_plans_for_the_room_id(aliases: Stub, synadmin: Synadmin) -> None:
    aliases.on("/_synapse/admin/v1/rooms/%21club%3Aexample.org/block", json_reply({"block": False}))
    aliases.on(
        "/_synapse/admin/v1/rooms/%21club%3Aexample.org", json_reply({"room_id": CLUB, "name": "The club"})
    )

    result = synadmin("room", "block", "#club:example.org", "--dry-run", "-o", "json")

    (planned,) = json.loads(result.stdout)
    assert (planned["room_id"], planned["outcome"]) == (CLUB, "planned")
    assert {target.split()[0] for target in aliases.targets} == {"GET"}
    assert "The run will ask: Users of this server will no longer be able to join The club" in result.stderr


@pytest.mark.parametrize("command", [*COMMANDS, ("delete", "--block")], ids=" ".join)
@pytest.mark.parametrize("dry_run", [[], ["--dry-run"]], ids=["run", "dry run"])
def test_unknown_alias_alone_ends_the_command(
    aliases: Stub, synadmin: Synadmin, command: tuple[str, ...], dry_run: list[str]
) -> None:
    result = synadmin("room", *command, "#gone:example.org", *dry_run)

    result.assert_one_line_error(code=4)
    assert aliases.targets == [f"GET {directory('#gone:example.org')}"]


def test_room_given_by_id_and_aliases_is_changed_once(aliases: Stub, synadmin: Synadmin) -> None:
    replies = [json_reply({"block": blocked}) for blocked in (False, True, True)]
    aliases.on("/_synapse/admin/v1/rooms/%21club%3Aexample.org/block", *replies)
    rooms = ("#club:example.org", CLUB, "#klub:example.org")

    result = synadmin("room", "block", *rooms, "--yes", "-o", "ndjson")

    assert result.code == 0, result.stderr
    assert [json.loads(line)["room_id"] for line in result.stdout.splitlines()] == [CLUB]
    assert len([target for target in aliases.targets if target.startswith("PUT")]) == 1


def test_invalid_token_ends_the_run(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on("*", refused(401, "M_UNKNOWN_TOKEN", "Invalid access token passed."))

    result = synadmin("room", "block", "#club:example.org", "#klub:example.org", "-o", "json")

    result.assert_one_line_error(code=3)
    assert len(signed_in.targets) == 1


def test_room_of_the_question_is_changed_although_its_alias_moved(aliases: Stub, work: Path) -> None:
    rooms = [{"room_id": room, "servers": ["example.org"]} for room in (CLUB, "!moved:example.org")]
    aliases.on(directory("#club:example.org"), *map(json_reply, rooms))
    aliases.on("/_synapse/admin/v1/rooms/%21club%3Aexample.org", json_reply({"room_id": CLUB}))
    aliases.on("/_synapse/admin/v2/rooms/%21club%3Aexample.org", json_reply({"delete_id": "D1"}))
    members = {"members": ["@alice:example.org"], "total": 1}
    aliases.on("/_synapse/admin/v1/rooms/%21club%3Aexample.org/members", json_reply(members))
    command = ("room", "delete", "#club:example.org", "--no-wait")

    with Terminal("-m", "synadmin", *command, cwd=work) as terminal:
        terminal.see("[y/N]")
        terminal.type("y\n")
        code = terminal.end()

    assert code == 0, terminal.shown
    deleted = [target for target in aliases.targets if target.startswith("DELETE")]
    assert deleted == ["DELETE /_synapse/admin/v2/rooms/%21club%3Aexample.org"]
