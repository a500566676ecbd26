"""Temporary changes are reverted after a failed step, an interruption, or the kill of a run."""

from __future__ import annotations

import json
import os
import signal
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.live.conftest import running
from tests.live.recovery.proxy import Passing, Proxy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from synadmin.ids import RoomId
    from synadmin.sandbox.accounts import Person
    from tests.live.recovery.conftest import Scene

STEPS = ["reactivate", "invite", "join", "unban", "make-room-admin", "join", "deactivate"]
"""The steps of the plan that the tests below interrupt."""


@dataclass(frozen=True)
class Club:
    """Two users: Alice, who is deactivated and the only one with power in the rooms, and Bob."""

    scene: Scene
    alice: Person
    bob: Person

    def room(self) -> RoomId:
        """Make a room that takes many steps to regain."""
        users = {self.alice.user_id: 100, self.bob.user_id: 100}
        room_id = self.bob.create_room(levels={"users": users})
        self.bob.ban(room_id, self.scene.admin)
        self.bob.set_power(room_id, {self.bob: 0})
        return room_id


@pytest.fixture
def club(scene: Scene) -> Club:
    alice, bob = scene.someone("alice"), scene.someone("bob")
    scene.deactivate(alice, erase=True)
    return Club(scene, alice, bob)


def make_admin(room_id: RoomId) -> tuple[str, ...]:
    return ("room", "make-admin", room_id, "--allow", "reactivate", "--yes", "-o", "json")


def test_recovery_without_a_fault_takes_seven_steps(club: Club) -> None:
    before = club.scene.standings()
    room_id = club.room()
    dry_run = club.scene.make_admin(room_id, "--allow", "reactivate", "--dry-run")
    result = club.scene.make_admin(room_id, "--allow", "reactivate")
    assert result.actions == STEPS == [step["action"] for step in dry_run.record["steps"]]
    assert [step["detail"] for step in result.record["steps"]] == [
        step["detail"] for step in dry_run.record["steps"]
    ]
    now = club.scene.standings()
    now[club.bob.user_id].memberships.pop(room_id)
    now[club.scene.admin.user_id].memberships.pop(room_id)
    assert now == before
    assert club.scene.has_control(room_id, club.scene.admin)
    assert club.scene.borrowed_tokens() == 0


REQUEST_OF_ACTION: dict[str, Callable[[Passing], bool]] = {
    "reactivate": lambda passing: passing.method == "PUT" and "/v2/users/" in passing.path,
    "invite": lambda passing: passing.path.endswith("/invite"),
    "join": lambda passing: "/v3/join/" in passing.path,
    "unban": lambda passing: passing.path.endswith("/unban"),
    "make-room-admin": lambda passing: passing.path.endswith("/make_room_admin"),
}


@pytest.mark.parametrize("answered", [False, True], ids=["not done", "done, and the answer is an error"])
@pytest.mark.parametrize("action", REQUEST_OF_ACTION)
def test_failed_step_leaves_no_temporary_change(
    club: Club,
    tmp_path: Path,
    action: str,
    answered: bool,
) -> None:
    scene = club.scene
    room_id = club.room()
    before = scene.standings()
    failed: list[Passing] = []

    def on_request(passing: Passing) -> int | None:
        if REQUEST_OF_ACTION[action](passing) and passing.answered is answered and not failed:
            failed.append(passing)
            return 500
        return None

    with (
        Proxy(scene.server.url, on_request) as proxy,
        running(tmp_path, proxy.here, scene.admin, *make_admin(room_id)) as process,
    ):
        stdout, stderr = process.communicate()
    (record,) = json.loads(stdout)
    assert failed, proxy.requests
    now = scene.standings()
    mine, then = now.pop(scene.admin.user_id), before.pop(scene.admin.user_id)
    assert now == before, stderr
    assert scene.borrowed_tokens() == 0
    assert mine.memberships.get(room_id, "leave") in {then.memberships[room_id], "leave", "invite"}
    assert [step["action"] for step in record["steps"] if step["status"] == "failed"] == [action]
    assert (process.returncode, record["outcome"]) in {(1, "failed"), (0, "pending")}
    # The next run finds nothing to revert and regains the room.
    with running(tmp_path, scene.server.url, scene.admin, *make_admin(room_id)) as process:
        stdout, stderr = process.communicate()
    assert process.returncode == 0
    assert "ended before it could revert this" not in stderr
    assert scene.has_control(room_id, scene.admin)
    assert scene.standings()[club.alice.user_id] == before[club.alice.user_id]


def test_change_that_cannot_be_reverted_is_reported_and_reverted_later(club: Club, tmp_path: Path) -> None:
    scene = club.scene
    room_id = club.room()
    alice = scene.standing(club.alice)
    failures: list[Passing] = []

    def on_request(passing: Passing) -> int | None:
        if "/deactivate/" in passing.path and len(failures) < times:
            failures.append(passing)
            return 500
        return None

    times = 1
    with (
        Proxy(scene.server.url, on_request) as proxy,
        running(tmp_path, proxy.here, scene.admin, *make_admin(room_id)) as process,
    ):
        stdout, stderr = process.communicate()
    (record,) = json.loads(stdout)
    assert record["outcome"] == "done"
    assert "Not reverted, and tried again at the end" in record["message"]
    assert [step["status"] for step in record["steps"] if step["action"] == "deactivate"] == ["failed"]
    assert process.returncode == 0, stderr
    assert scene.standing(club.alice) == alice

    times, failures = 2, []
    with Proxy(scene.server.url, on_request) as proxy:
        with running(tmp_path, proxy.here, scene.admin, *make_admin(club.room())) as process:
            _, stderr = process.communicate()
        assert process.returncode == 1
        assert "not reverted" in stderr
        assert not scene.standing(club.alice).account["deactivated"]
        # The next run with changes first reverts the old temporary change.
        with running(tmp_path, proxy.here, scene.admin, *make_admin(club.room())) as process:
            _, stderr = process.communicate()
        assert process.returncode == 0, stderr
        assert "ended before it could revert this" in stderr
    assert scene.standing(club.alice) == alice


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("action", ["reactivate", "join", "make-room-admin"])
def test_interruption_reverts_temporary_changes_at_once(
    club: Club, tmp_path: Path, action: str, number: signal.Signals
) -> None:
    scene = club.scene
    room_id = club.room()
    before = scene.standings()
    started = threading.Event()
    interrupted: list[Passing] = []

    def on_request(passing: Passing) -> None:
        if REQUEST_OF_ACTION[action](passing) and passing.answered and not interrupted:
            started.wait()
            interrupted.append(passing)
            process.send_signal(number)

    with (
        Proxy(scene.server.url, on_request) as proxy,
        running(tmp_path, proxy.here, scene.admin, *make_admin(room_id)) as process,
    ):
        started.set()
        stdout, stderr = process.communicate()
    assert process.returncode == 130
    (result,) = json.loads(stdout)
    assert (result["room_id"], result["outcome"], result["reason"]) == (room_id, "failed", "interrupted")
    assert [step["status"] for step in result["steps"]].count("failed") == 1
    assert stderr.splitlines()[-2] == "synadmin: interrupted"
    assert "shows the requests" in stderr.splitlines()[-1]
    now = scene.standings()
    mine, then = now.pop(scene.admin.user_id), before.pop(scene.admin.user_id)
    assert now == before
    assert mine.limits == then.limits
    assert scene.borrowed_tokens() == 0


@pytest.mark.parametrize("deactivated", [True, False], ids=["deactivated", "left"])
@pytest.mark.parametrize("answered", [True, False], ids=["answered", "not sent"])
def test_run_killed_at_any_request_is_resumed_to_the_same_result(
    scene: Scene,
    tmp_path: Path,
    deactivated: bool,
    answered: bool,
) -> None:
    club = Club(scene, scene.someone("alice"), scene.someone("bob"))
    if deactivated:
        scene.deactivate(club.alice, erase=True)
    people = (club.alice, club.bob)

    def kill_and_resume(room_id: RoomId, home: Path, point: int | None) -> list[Passing]:
        """Kill a run at a request, resume it, and check the result; return the requests of the first run."""
        home.mkdir()
        started = threading.Event()

        def on_request(passing: Passing) -> None:
            if passing.number == point and passing.answered is answered:
                started.wait()
                os.kill(process.pid, signal.SIGKILL)
                raise ConnectionAbortedError

        with Proxy(scene.server.url, on_request) as proxy:
            with running(home, proxy.here, scene.admin, *make_admin(room_id)) as process:
                started.set()
                _, stderr = process.communicate()
            requests = list(proxy.requests)
            if point is None:
                assert process.returncode == 0, stderr
            else:
                assert process.returncode == -signal.SIGKILL
                journal = home / "state" / "synadmin" / "journal.sqlite3"
                resumed = (
                    ("journal", "resume", "last", "-o", "json") if journal.exists() else make_admin(room_id)
                )
                with running(home, proxy.here, scene.admin, *resumed) as process:
                    stdout, stderr = process.communicate()
                # A token whose answer was lost can only expire: `resume` says when.
                is_open = "It expires by itself at" in stderr
                assert process.returncode == is_open, (point, stderr)
                (record,) = json.loads(stdout)
                assert (record["outcome"], record["control"]) == ("done", True), (point, record)
        return requests

    before = [scene.standing(who) for who in people]
    all_requests = kill_and_resume(club.room(), tmp_path / "undisturbed", None)
    assert len(all_requests) > len(STEPS) * 3
    include_reads, default_step = answered and deactivated, 12 if answered and deactivated else 4
    every = int(os.environ.get("SYNADMIN_TEST_EVERY", default_step))
    points = [request.number for request in all_requests if request.changes or include_reads][::every]
    rooms = [club.room() for _ in points]
    for point, room_id in zip(points, rooms, strict=True):
        kill_and_resume(room_id, tmp_path / f"{point}", point)
        room_state = scene.room_state(room_id, scene.admin)
        assert room_state.membership == "join", point
        users = {club.alice.user_id: 100, club.bob.user_id: 0, scene.admin.user_id: 100}
        assert (room_state.content or {})["users"] == users, point
        assert scene.room_state(room_id, club.alice).membership in {None, "leave"}, point
        assert scene.room_state(room_id, club.bob).membership == "join", point
    now = [scene.standing(who) for who in people]
    for standing in now:
        for room_id in rooms:
            standing.memberships.pop(room_id, None)
    now[1].memberships.popitem()  # the room of the undisturbed run
    assert now == before
