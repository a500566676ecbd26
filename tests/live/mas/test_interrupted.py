"""A run with MAS that is interrupted or loses its token reverts its changes, or names those that remain."""

from __future__ import annotations

import json
import os
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from synadmin.sandbox.accounts import Person
from tests.live.conftest import running
from tests.live.mas.world import ALL_SCOPES
from tests.live.recovery.proxy import Passing, Proxy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from synadmin.ids import RoomId
    from tests.live.mas.scene import MasScene

MOMENTS: dict[str, Callable[[Passing], bool]] = {
    "reactivated": lambda passing: passing.path.endswith("/reactivate"),
    "acting": lambda passing: passing.method == "POST" and passing.path.endswith("/personal-sessions"),
    "revoking": lambda passing: passing.path.endswith("/revoke"),
}


def room_of_deactivated_admin(scene: MasScene) -> tuple[RoomId, Person]:
    """Return a room whose only admin is deactivated, and the admin."""
    alice, bob = scene.someone("alice"), scene.someone("bob")
    room_id = alice.make_room(members=[bob])
    scene.deactivate(alice)
    return room_id, alice


def make_admin(room_id: RoomId) -> tuple[str, ...]:
    return ("room", "make-admin", room_id, "--allow", "reactivate", "--yes", "-o", "json")


@pytest.mark.parametrize("moment", MOMENTS)
def test_ctrl_c_reverts_temporary_changes_at_once(scene: MasScene, tmp_path: Path, moment: str) -> None:
    room_id, _ = room_of_deactivated_admin(scene)
    before = scene.standings()
    started = threading.Event()
    interrupted: list[Passing] = []

    def interrupt(passing: Passing) -> None:
        if MOMENTS[moment](passing) and passing.answered and not interrupted:
            started.wait()
            interrupted.append(passing)
            process.send_signal(signal.SIGINT)

    with Proxy(scene.mas.url.rstrip("/"), interrupt) as mas:
        environment = {"SYNADMIN_MAS": mas.here}
        arguments = make_admin(room_id)
        with running(tmp_path, scene.server.url, scene.admin, *arguments, env=environment) as process:
            started.set()
            _, stderr = process.communicate()
    assert interrupted
    assert process.returncode == 130, stderr
    now = scene.standings()
    admin_now, admin_before = now.pop(scene.admin.user_id), before.pop(scene.admin.user_id)
    assert now == before, stderr
    assert admin_now.limits == admin_before.limits
    assert scene.borrowed_tokens() == 0


FAILING: dict[str, Callable[[Passing], bool]] = {
    **MOMENTS,
    "deactivated": lambda passing: passing.path.endswith("/deactivate"),
}


@pytest.mark.parametrize("answered", [False, True], ids=["not done", "done, and the answer is an error"])
@pytest.mark.parametrize("moment", FAILING)
def test_failed_request_to_mas_leaves_no_temporary_change(
    scene: MasScene, tmp_path: Path, moment: str, *, answered: bool
) -> None:
    room_id, alice = room_of_deactivated_admin(scene)
    before = scene.standing(alice)
    failed: list[Passing] = []

    def fail_request(passing: Passing) -> int | None:
        if FAILING[moment](passing) and passing.answered is answered and not failed:
            failed.append(passing)
            return 500
        return None

    with Proxy(scene.mas.url.rstrip("/"), fail_request) as mas:
        environment = {"SYNADMIN_MAS": mas.here}
        arguments = make_admin(room_id)
        with running(tmp_path, scene.server.url, scene.admin, *arguments, env=environment) as process:
            stdout, stderr = process.communicate()
    assert failed
    (record,) = json.loads(stdout)
    assert (process.returncode, record["outcome"]) in {(0, "done"), (1, "failed")}, (record, stderr)
    # The next run finds and reverts the changes that this run could not revert.
    with running(tmp_path, scene.server.url, scene.admin, *make_admin(room_id)) as process:
        stdout, stderr = process.communicate()
    assert process.returncode == 0, stderr
    assert scene.has_control(room_id, scene.admin)
    assert scene.standing(alice) == before, stderr
    assert scene.borrowed_tokens() == 0


POSITIONS = range(1, 10) if os.environ.get("SYNADMIN_TEST_EVERY") else (1, 4, 8)


@pytest.mark.parametrize("position", POSITIONS)
def test_run_killed_before_a_change_is_resumed(scene: MasScene, tmp_path: Path, position: int) -> None:
    """The run is killed after the journal entry of a change, before the request reaches a server."""
    room_id, alice = room_of_deactivated_admin(scene)
    before = scene.standing(alice)
    started = threading.Event()
    changes: list[Passing] = []

    def kill_run(passing: Passing) -> None:
        if passing.changes and not passing.answered and len(changes) < position:
            changes.append(passing)
            if len(changes) == position:
                started.wait()
                os.kill(process.pid, signal.SIGKILL)
                raise ConnectionAbortedError

    with Proxy(scene.server.url, kill_run) as matrix, Proxy(scene.mas.url.rstrip("/"), kill_run) as mas:
        environment = {"SYNADMIN_MAS": mas.here}
        arguments = make_admin(room_id)
        with running(tmp_path, matrix.here, scene.admin, *arguments, env=environment) as process:
            started.set()
            process.communicate()
        assert len(changes) == position, changes
        assert process.returncode == -signal.SIGKILL
        resume = ("journal", "resume", "last", "--yes")
        with running(tmp_path, matrix.here, scene.admin, *resume, env=environment) as process:
            _, stderr = process.communicate()
    assert process.returncode == 0, stderr
    assert scene.has_control(room_id, scene.admin)
    assert scene.standing(alice) == before, stderr
    assert scene.borrowed_tokens() == 0


def test_revoked_token_is_reported_and_the_next_run_restores(scene: MasScene, tmp_path: Path) -> None:
    room_id, alice = room_of_deactivated_admin(scene)
    before = scene.standing(alice)
    admin = scene.mas.user(scene.admin)["id"]
    body = {"actor_user_id": admin, "human_name": "short", "scope": ALL_SCOPES}
    session = scene.mas.api("POST", "/personal-sessions", body)["data"]
    token_owner = Person(scene.server.url, scene.admin.user_id, session["attributes"]["access_token"])
    revoked: list[Passing] = []

    def revoke_token(passing: Passing) -> None:
        if MOMENTS["reactivated"](passing) and passing.answered and not revoked:
            revoked.append(passing)
            scene.mas.api("POST", f"/personal-sessions/{session['id']}/revoke")

    with Proxy(scene.mas.url.rstrip("/"), revoke_token) as mas:
        environment = {"SYNADMIN_MAS": mas.here}
        arguments = make_admin(room_id)
        with running(tmp_path, scene.server.url, token_owner, *arguments, env=environment) as process:
            stdout, stderr = process.communicate()
    token_owner.close()
    assert revoked, (stdout, stderr)
    assert process.returncode == 3, (stdout, stderr)
    assert "Access token revoked" in stderr
    assert "not reverted" in stderr
    assert not scene.mas.user(alice)["deactivated_at"]
    with running(tmp_path, scene.server.url, scene.admin, "journal", "resume", "last", "--yes") as process:
        _, stderr = process.communicate()
    assert process.returncode == 0, stderr
    assert scene.standing(alice) == before
    assert scene.borrowed_tokens() == 0
