"""``journal resume``: revert the temporary changes of an interrupted run, and finish the run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from synadmin.ids import encoded
from synadmin.journal import Journal
from tests.live.conftest import environment_of
from tests.unit.cli.terminal import Terminal
from tests.written import journal_of

if TYPE_CHECKING:
    from pathlib import Path

    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.conftest import Newcomer, Synadmin


def test_dry_run_of_resume_changes_nothing(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin, tmp_path: Path
) -> None:
    chair, admin = newcomer("chair"), homeserver.admin
    room_id = chair.create_room("Committee")
    path = tmp_path / "state" / "synadmin" / "journal.sqlite3"
    interrupted_run = Journal(path, command="room make-admin")
    interrupted_run.arguments = ["room", "make-admin", room_id, "--user", admin.user_id, "--yes"]
    limits = f"/_synapse/admin/v1/users/{encoded(chair.user_id)}/override_ratelimit"
    unlimited = {"messages_per_second": 0, "burst_count": 0}
    admin.call("POST", limits, unlimited)
    entry = interrupted_run.begin(
        server=homeserver.url,
        user=admin.user_id,
        on_behalf_of=None,
        method="POST",
        path=limits,
        body=unlimited,
        notes={"restoring": {"method": "DELETE", "path": limits}},
    )
    interrupted_run.finish(entry, status=200)
    interrupted_run.close()
    before = journal_of(tmp_path)

    answer = synadmin("journal", "resume", "last", "--dry-run", "-o", "csv", "--columns", "room_id,outcome")

    assert (answer.code, answer.stdout) == (0, f"room_id,outcome\n{room_id},planned\n"), answer.stderr
    assert f"The run {interrupted_run.run} ended before it could revert this: DELETE" in answer.stderr
    assert "You are not asked" not in answer.stderr
    assert answer.stderr.endswith("Nothing was changed: --dry-run.\n")
    assert admin.membership(room_id, admin) is None
    assert admin.call("GET", limits) == unlimited
    assert journal_of(tmp_path) == before

    environment = environment_of(tmp_path, homeserver.url, admin)
    command = ("-m", "synadmin", "journal", "resume", "last")
    with Terminal(*command, cwd=tmp_path, env=environment) as terminal:
        assert terminal.end() == 0, terminal.shown
    assert "synadmin does not ask again: you agreed when the run began." in terminal.shown
    assert admin.membership(room_id, admin) == "join"
    assert admin.call("GET", limits) == {}


def test_ended_run_is_not_repeated(homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin) -> None:
    """The run ended with exit code 6. Later the server admin left the room, and must not join again."""
    chair, admin = newcomer("chair"), homeserver.admin
    room_id = chair.create_room("Committee")
    nowhere = f"!nowhere:{homeserver.server_name}"
    answer = synadmin("room", "make-admin", room_id, nowhere, "--yes", "-o", "json")
    assert answer.code == 6, answer.stderr
    assert {record["outcome"] for record in json.loads(answer.stdout)} == {"done", "refused"}
    admin.leave(room_id)

    answer = synadmin("journal", "resume", "last", "-o", "json")

    assert (answer.code, json.loads(answer.stdout)) == (0, []), answer.stderr
    assert answer.stderr.endswith("has ended: there is nothing to do.\n")
    assert admin.membership(room_id, admin) == "leave"
