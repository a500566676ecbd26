"""``sandbox up --mas``: a Synapse and a stand-in for MAS that start and stop together."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import pytest

from synadmin.sandbox.community import MEMBERS, SITUATIONS
from synadmin.sandbox.mas.homeserver import DelegatedHomeserver
from tests.live.test_sandbox import Shell, processes_in, wait_until

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_sandbox_with_mas_regains_its_rooms(shell: Shell) -> None:
    try:
        code, stdout, stderr = shell.run("sandbox", "up", "--mas")
        assert code == 0, stderr
        assert f"with {len(SITUATIONS)} rooms" in stdout
        assert "A stand-in for MAS manages its accounts: http://127.0.0.1:" in stdout
        assert shell.run("sandbox", "env", "--write", "my.env")[0] == 0
        (directory,) = shell.temporary.glob("synadmin-sandbox-*")
        with DelegatedHomeserver(directory / "ours").mas() as mas:
            users = {user.attributes.username: user.attributes for user in mas.users.list()}
        for member in MEMBERS:
            user = users[member.localpart]
            assert (user.locked_at is not None) == (member.fate == "locked"), member
            assert (user.deactivated_at is not None) == (member.fate == "deactivated"), member
        (shell.home / "rooms.txt").write_text(
            shell.run("--env-file", "my.env", "room", "list", "-o", "name")[1]
        )
        code, stdout, stderr = shell.run(
            *("--env-file", "my.env", "room", "make-admin", "--from", "rooms.txt"),
            *("--allow", "reactivate", "--yes", "-o", "json"),
        )
        records = json.loads(stdout)
        assert len(records) == len(SITUATIONS)
        # Two rooms cannot be regained without MAS either: one has no local member, and one is blocked.
        refused = {record["reason"] for record in records if record["outcome"] != "done"}
        assert (code, refused) == (6, {"not-in-room", "room-blocked"}), stderr
    finally:
        code, _, stderr = shell.run("sandbox", "down")
    assert code == 0
    assert shell.is_clean


def test_accounts_of_the_stand_in_survive_a_restart(shell: Shell) -> None:
    try:
        code, first, stderr = shell.run("sandbox", "up", "club", "--mas", "--empty")
        assert code == 0, stderr
        shell.run("sandbox", "env", "--write", "first.env")
        code, _, stderr = shell.run("--env-file", "first.env", "user", "create", "violet", "--yes")
        assert code == 0, stderr
        assert shell.run("sandbox", "down")[0] == 0
        assert processes_in(shell.home) == []
        code, _, stderr = shell.run("sandbox", "up", "club", "--empty")
        assert code == 2
        assert "was made with --mas" in stderr
        code, second, stderr = shell.run("sandbox", "up", "club", "--mas", "--empty")
        assert code == 0, stderr
        assert second == first
        # The token of the first start is still valid: it does not expire.
        code, stdout, stderr = shell.run("--env-file", "first.env", "user", "show", "violet", "-o", "json")
        assert code == 0, stderr
        assert json.loads(stdout)["mas"]["username"] == "violet"
    finally:
        shell.run("sandbox", "down")
    assert shell.is_clean


def test_interrupted_start_leaves_no_process(shell: Shell) -> None:
    with shell.start("sandbox", "up", "--mas") as child:
        wait_until(lambda: any("sandbox.mas" in line for line in processes_in(shell.temporary)))
        os.kill(child.pid, signal.SIGINT)
        _, stderr = child.communicate(timeout=120)
    assert child.returncode == 128 + signal.SIGINT, stderr
    assert "Traceback" not in stderr
    assert shell.is_clean


def test_synapse_and_stand_in_end_with_their_parent(tmp_path: Path) -> None:
    with DelegatedHomeserver(tmp_path / "server") as server:
        rose = server.register("rose")
        assert rose.synapse.client_server.whoami().device_id
        assert len(processes_in(tmp_path)) == 2
    wait_until(lambda: processes_in(tmp_path) == [])
