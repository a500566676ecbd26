"""``--profiles``: one report about three homeservers, one of which is down."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.unit.stub import nobody_there

if TYPE_CHECKING:
    from pathlib import Path

    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.conftest import Newcomer, Synadmin

ONLY = ("audit", "rooms", "--rule", "no-local-control")


@pytest.fixture
def fleet(federation: tuple[Homeserver, Homeserver], tmp_path: Path) -> dict[str, Homeserver]:
    """Write a profile for each server; return the running servers by profile."""
    folder = tmp_path / "config" / "synadmin"
    folder.mkdir(parents=True)
    servers = dict(zip(("club", "lake"), federation, strict=True))
    settings = {name: (server.url, server.admin.token) for name, server in servers.items()}
    for name, (url, token) in {**settings, "museum": (nobody_there(), "syt_none")}.items():
        path = folder / f"{name}.env"
        path.touch(0o600)
        path.write_text(f"SYNADMIN_HOMESERVER={url}\nSYNADMIN_ACCESS_TOKEN={token}\n", "utf-8")
    return servers


def test_unreachable_server_is_an_entry_in_the_fleet_report(
    fleet: dict[str, Homeserver], newcomer: Newcomer, synadmin: Synadmin
) -> None:
    club, lake = fleet.values()
    founder, member = newcomer(server=club), newcomer(server=club)
    lost = founder.make_room("lost", members=[member], left=[founder])
    options = ("--profiles", "all", "--baseline", "audit.json", "--update-baseline")
    answer = synadmin(*ONLY, *options, "-o", "json", server=lake)
    assert answer.code == 1
    assert answer.stderr == "synadmin: 3 servers: 2 audited, 1 not audited (museum).\n"
    servers = {server["profile"]: server for server in json.loads(answer.stdout)["servers"]}
    assert {name: servers[name]["report"]["server_name"] for name in fleet} == {
        name: server.server_name for name, server in fleet.items()
    }
    assert (servers["museum"]["report"], servers["museum"]["complete"]) == (None, False)
    assert "refuses the connection" in servers["museum"]["error"]

    # The findings are those of a separate audit of each server. A suggested command names the profile.
    for name, server in fleet.items():
        findings = json.loads(synadmin(*ONLY, "-o", "json", server=server).stdout)["findings"]
        assert servers[name]["report"]["findings"] == [
            finding | {"fix": finding["fix"] and f"{finding['fix']} --profile {name}"} for finding in findings
        ]
    found = {finding["subject"]["id"] for finding in servers["club"]["report"]["findings"]}
    assert lost in found

    again = synadmin(*ONLY, "--profiles", "club,lake", "--baseline", "audit.json", server=lake)
    assert (again.code, again.stdout, again.stderr) == (0, "", "")

    status = synadmin("status", "--profiles", "all", "--baseline", "audit.json", "-o", "json", server=lake)
    assert status.code == 1
    records = {record["profile"]: record for record in json.loads(status.stdout)}
    assert records["club"]["server_name"] == club.server_name
    assert records["club"]["without_control"] == len(found)
    assert "refuses the connection" in records["museum"]["error"]
    query: dict[str, str | int] = {"limit": 1, "deactivated": "false", "locked": "true"}
    users = club.admin.call("GET", "/_synapse/admin/v3/users", query={**query})["total"]
    rooms = club.admin.call("GET", "/_synapse/admin/v1/rooms", query={"limit": 1})["total_rooms"]
    assert (records["club"]["users"], records["club"]["rooms"]) == (users, rooms)
