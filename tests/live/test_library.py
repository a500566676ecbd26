"""The library on a real Synapse: the code of docs/library.md, and the outcomes of its methods."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from synadmin import Synapse
from tests.library_page import program
from tests.live.conftest import environment_of

if TYPE_CHECKING:
    from pathlib import Path

    from synadmin.ids import RoomId
    from synadmin.sandbox.accounts import Person
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.conftest import Newcomer


@pytest.fixture
def owner(newcomer: Newcomer) -> Person:
    return newcomer("owner")


@pytest.fixture
def room(owner: Person) -> RoomId:
    localpart = owner.user_id[1:].partition(":")[0]
    return owner.create_room("Club", alias=f"club-{localpart}")


def test_code_of_the_library_page_runs(
    homeserver: Homeserver, newcomer: Newcomer, owner: Person, room: RoomId, tmp_path: Path
) -> None:
    text = program(to_run=True)
    names = {
        "#club:example.org": f"#club-{owner.user_id[1:]}",
        "!abcdef:example.org": room,
        "@alice:example.org": newcomer("alice").user_id,
        "@bob:example.org": newcomer("bob").user_id,
    }
    for written, real in names.items():
        text = text.replace(written, real)
    script = tmp_path / "program.py"
    script.write_text(text, "utf-8")
    ended = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        cwd=tmp_path,
        env=environment_of(tmp_path, homeserver.url, homeserver.admin),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert f"alice has control, through {owner.user_id}" in ended.stdout.replace(
        names["@alice:example.org"], "alice"
    )
    assert "0 50" in ended.stdout
    assert "would send POST" in ended.stdout


def test_refusal_has_reason_and_next_step_and_changes_nothing(
    homeserver: Homeserver, newcomer: Newcomer, owner: Person, room: RoomId
) -> None:
    bob = newcomer("bob")
    before = homeserver.admin.levels_event(room)
    with Synapse(homeserver.url, token=homeserver.admin.token, journal=None) as synapse:
        outcome = synapse.set_power(room, bob.user_id, 50)
        assert (outcome.outcome, outcome.reason) == ("refused", "needs-impersonate")
        assert "--allow impersonate" in outcome.message
        outcome = synapse.set_power(room, owner.user_id, 0, allow="impersonate")
        assert (outcome.outcome, outcome.reason) == ("refused", "would-lose-control")
    after = homeserver.admin.levels_event(room)
    assert after is not None
    assert before is not None
    assert after["event_id"] == before["event_id"]


def test_outcome_of_regain_matches_the_room(homeserver: Homeserver, room: RoomId) -> None:
    admin = homeserver.admin
    with Synapse(homeserver.url, token=admin.token, journal=None) as synapse:
        planned = synapse.regain(room, allow="impersonate", dry_run=True)
        assert (planned.outcome, planned.control) == ("planned", False)
        assert admin.membership(room, admin) is None
        done = synapse.regain(room, allow="impersonate")
        assert (done.outcome, done.control) == ("done", True)
        assert admin.membership(room, admin) == "join"
        assert synapse.regain(room).outcome == "done"


def test_impersonation_ends_with_the_block(homeserver: Homeserver, owner: Person) -> None:
    with Synapse(homeserver.url, token=homeserver.admin.token, journal=None) as synapse:
        with synapse.impersonate(owner.user_id) as acting:
            assert acting.client_server.whoami().user_id == owner.user_id
            assert isinstance(acting, Synapse)
        assert synapse.owner == homeserver.admin.user_id
