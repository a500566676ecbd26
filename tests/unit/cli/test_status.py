"""``synadmin status``: one line for each server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from synadmin import settings
from synadmin.journal import Journal
from synadmin.settings.places import default_journal
from tests.standin import running
from tests.unit.cli.several import TOKEN, write_profiles
from tests.unit.stub import Stub, json_reply, nobody_there, refused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.unit.cli.conftest import Synadmin


@pytest.fixture(scope="module")
def up() -> Iterator[str]:
    with running("--rooms", "60", "--users", "10") as url:
        yield url


@pytest.fixture
def fleet(work: Path, up: str) -> dict[str, str]:
    """Profiles of two servers, one of them down."""
    del work
    urls = {"up": up, "down": nobody_there()}
    write_profiles(**urls)
    return urls


def _records(stdout: str) -> dict[str, dict[str, Any]]:
    return {record["profile"]: record for record in json.loads(stdout)}


def test_unreachable_server_is_a_line_with_the_error(synadmin: Synadmin, fleet: dict[str, str]) -> None:
    result = synadmin("status", "--profiles", "all", "-o", "json")
    assert result.code == 1
    records = _records(result.stdout)
    assert records["up"] == {
        "profile": "up",
        "server_name": "big.example",
        "homeserver": fleet["up"],
        "version": "1.163.2",
        "users": 10,
        "rooms": 60,
        "without_control": None,
        "audited_at": None,
        "token_expires_at": None,
        "open_restorations": 0,
        "error": None,
    }
    assert "refuses the connection" in records["down"]["error"]
    assert set(records["down"]) == set(records["up"])
    assert TOKEN not in result.stdout


@pytest.mark.usefixtures("fleet")
def test_unknown_values_are_a_dash(synadmin: Synadmin) -> None:
    result = synadmin("status", "--profiles", "up")
    assert result.code == 0
    heading, _, line = result.stdout.splitlines()
    assert heading.split("  ")[0] == "profile"
    assert "error" not in heading, "there is no error"
    assert line.split() == ["up", "big.example", "1.163.2", "10", "60", "-"]
    assert "--update-baseline --profiles up` finds the rooms without control" in result.stderr
    lines = synadmin("status", "--profiles", "all").stdout.splitlines()
    assert lines[0].endswith("error")
    assert [line.split()[0] for line in lines[2:]] == ["down", "up"]
    heading = synadmin("status", "--profiles", "up", "-o", "csv").stdout.splitlines()[0]
    assert heading.endswith(",token_expires_at,open_restorations,error"), "the same columns every time"


@pytest.mark.usefixtures("fleet")
def test_status_shows_rooms_without_control_of_the_last_audit(synadmin: Synadmin) -> None:
    baseline = ("--baseline", "audit.json")
    synadmin("audit", "--rule", "weak-control", "--profiles", "up", *baseline, "--update-baseline")
    command = ("status", "--profiles", "up", *baseline, "-o", "json")
    assert _records(synadmin(*command).stdout)["up"]["without_control"] is None, "that rule has not run"
    synadmin("audit", "rooms", "--profiles", "up", *baseline, "--update-baseline")
    record = _records(synadmin(*command).stdout)["up"]
    assert record["without_control"] == 2
    assert record["audited_at"].endswith("Z")


@pytest.mark.usefixtures("fleet")
def test_baseline_of_the_nightly_audit_is_found(synadmin: Synadmin) -> None:
    nightly = synadmin("audit", "print-cron", "--profiles", "up").stdout
    baseline = nightly.partition("--baseline ")[2].split()[0]
    synadmin("audit", "rooms", "--profiles", "up", "--baseline", baseline, "--update-baseline")
    record = _records(synadmin("status", "--profiles", "up", "-o", "json").stdout)["up"]
    assert record["without_control"] == 2


def test_status_without_profiles_shows_the_configured_server(
    synadmin: Synadmin, up: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(settings.HOMESERVER, up)
    monkeypatch.setenv(settings.TOKEN, TOKEN)
    result = synadmin("status", "-o", "ndjson")
    assert result.code == 0
    assert json.loads(result.stdout)["rooms"] == 60


def test_status_without_settings_says_what_is_missing(synadmin: Synadmin) -> None:
    result = synadmin("status", "-o", "json")
    result.assert_one_line_error(code=2)
    assert "no homeserver is configured" in result.stderr


def test_invalid_token_exits_3(synadmin: Synadmin, signed_in: Stub) -> None:
    signed_in.on("/_synapse/admin/v1/server_version", json_reply({"server_version": "1.163.2"}))
    signed_in.on("/_matrix/client/v3/account/whoami", refused(401, "M_UNKNOWN_TOKEN"))
    result = synadmin("status", "-o", "json")
    assert result.code == 3
    (record,) = json.loads(result.stdout)
    assert record["version"] == "1.163.2"
    assert "M_UNKNOWN_TOKEN" in record["error"]


def test_open_restorations_are_counted(synadmin: Synadmin, fleet: dict[str, str]) -> None:
    journal = Journal(default_journal())
    journal.begin(
        server=fleet["up"],
        user="@u0:big.example",
        on_behalf_of=None,
        method="PUT",
        path="/_synapse/admin/v2/users/@u1:big.example",
        body={"deactivated": False},
        notes={"restoring": {"method": "DELETE", "path": "/limits", "body": None}},
    )
    assert (
        _records(synadmin("status", "--profiles", "up", "-o", "json").stdout)["up"]["open_restorations"] == 0
    )
    journal.close()
    assert (
        _records(synadmin("status", "--profiles", "up", "-o", "json").stdout)["up"]["open_restorations"] == 1
    )
