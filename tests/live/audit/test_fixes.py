"""Run every fix that an audit of the sandbox suggests, in bash."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from synadmin.sandbox.community import Community, fill
from synadmin.sandbox.homeserver import Homeserver
from tests.live.conftest import environment_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.conftest import Synadmin

NOTICES = {"system_mxid_localpart": "notices", "room_name": "Server notices"}
ASKS = ("make-admin", "set-power", "demote", "delete", "create", "revoke", "enable")


@pytest.fixture
def club() -> Iterator[Community]:
    """Return a new community, which the fixes may change. Mike has got a server notice."""
    with Homeserver(extra_config={"server_notices": NOTICES}) as server:
        club = fill(server)
        greta, admin = club.people["greta"], server.admin
        greta.make_room("ghost", members=[club.people["mike"]], users={server.user_id("alcie"): 100})
        greta.make_room("departed", members=[club.people["mike"]], users={club.people["henry"]: 50})
        greta.make_room("weak", levels={"events": {"m.room.power_levels": 25}})
        admin.make_room("my own", exact_levels={"users": {admin.user_id: 100}, "users_default": 100})
        content = {"msgtype": "m.text", "body": "Maintenance on Sunday"}
        notice = {"user_id": club.people["mike"].user_id, "content": content}
        admin.call("POST", "/_synapse/admin/v1/send_server_notice", notice)
        yield club


def test_every_fix_is_a_working_command(club: Community, synadmin: Synadmin, tmp_path: Path) -> None:
    server = club.homeserver
    (tmp_path / "audit.toml").write_text("[audit]\nserver_admins = []\n", "utf-8")
    answer = synadmin("audit", "--config", str(tmp_path / "audit.toml"), "-o", "json", server=server)
    report = json.loads(answer.stdout)
    notices = server.user_id("notices")
    assert notices not in answer.stdout
    assert "Server notices" not in {finding["subject"]["name"] for finding in report["findings"]}
    fixes = {finding["fix"]: finding["rule"] for finding in report["findings"] if finding["fix"] is not None}
    assert {
        "no-local-control",
        "ghost-power",
        "everyone-controls",
        "single-controller",
        "inactive-controller",
        "weak-control",
        "departed-power",
        "no-local-members",
    } <= set(fixes.values())
    environment = environment_of(tmp_path, server.url, server.admin)
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    failed = []
    for fix in fixes:
        words = fix.split()
        yes = " --yes" if words[2] in ASKS or words[3] in ASKS else ""
        run = subprocess.run(
            ["/bin/bash", "-c", fix + yes], env=environment, capture_output=True, text=True, check=False
        )
        if run.returncode != 0:
            failed.append((fix, run.returncode, run.stderr))
    assert failed == []
