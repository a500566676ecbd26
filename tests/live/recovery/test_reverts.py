"""A temporary change counts as reverted only after synadmin has read the result back."""

from __future__ import annotations

import json
import resource
from typing import TYPE_CHECKING

from tests.live.conftest import running
from tests.live.recovery.proxy import Passing, Proxy

if TYPE_CHECKING:
    from pathlib import Path

    from synadmin.ids import RoomId
    from tests.live.recovery.conftest import Scene


def make_admin(room_id: RoomId) -> tuple[str, ...]:
    return ("room", "make-admin", room_id, "--allow", "reactivate", "--yes", "-o", "json")


def test_temporary_change_is_open_until_the_account_is_read_as_deactivated(
    scene: Scene, tmp_path: Path
) -> None:
    alice, bob = scene.someone("alice"), scene.someone("bob")
    room_id = alice.make_room(members=[bob])
    scene.deactivate(alice)
    before = scene.standing(alice)

    def on_request(passing: Passing) -> int | None:
        return 200 if "/deactivate/" in passing.path and not passing.answered and fake_success else None

    fake_success = True
    with Proxy(scene.server.url, on_request) as proxy:
        with running(tmp_path, proxy.here, scene.admin, *make_admin(room_id)) as process:
            _, stderr = process.communicate()
        assert process.returncode == 1
        assert "the server reported success, but reading back shows no change" in stderr
        assert "`synadmin journal resume last` tries again" in stderr
        assert not scene.standing(alice).account["deactivated"]
        fake_success = False
        with running(tmp_path, proxy.here, scene.admin, "journal", "resume", "last") as process:
            _, stderr = process.communicate()
    assert process.returncode == 0, stderr
    assert "It is reverted now." in stderr
    assert scene.standing(alice) == before
    assert scene.borrowed_tokens() == 0


def test_temporary_changes_are_reverted_on_a_full_disk(scene: Scene, tmp_path: Path) -> None:
    alice, bob = scene.someone("alice"), scene.someone("bob")
    room_id = alice.make_room(members=[bob])
    scene.deactivate(alice)
    before = scene.standings()

    def on_request(passing: Passing) -> None:
        # From now on the process cannot write to files.
        if passing.path.endswith("/make_room_admin") and not passing.answered:
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, 0))

    with Proxy(scene.server.url, on_request) as proxy:
        with running(tmp_path, proxy.here, scene.admin, *make_admin(room_id)) as process:
            _, stderr = process.communicate()
        assert process.returncode == 1
        assert "cannot write the journal" in stderr
        assert "nothing was changed" not in stderr
        assert "reverted, and read back" in stderr
        now = scene.standings()
        now[scene.admin.user_id].memberships.pop(room_id, None)
        assert now == before
        assert scene.borrowed_tokens() == 0
        with running(tmp_path, proxy.here, scene.admin, "journal", "resume", "last", "-o", "json") as process:
            stdout, stderr = process.communicate()
        # The tokens are revoked, but the journal could not record that.
        assert (process.returncode, json.loads(stdout)[0]["outcome"]) == (1, "done"), stderr
        assert "It expires by itself at" in stderr
    assert scene.standings()[alice.user_id] == before[alice.user_id]


def test_unwritable_state_directory_stops_only_changes(scene: Scene) -> None:
    alice = scene.someone("alice")
    room_id = alice.make_room()
    env = {"HOME": "/dev/null", "XDG_STATE_HOME": "/dev/null/state", "XDG_CONFIG_HOME": "/dev/null/config"}
    assert scene.run("room", "list", env=env).code == 0
    assert scene.run("room", "make-admin", room_id, "--dry-run", env=env).code == 0
    assert scene.run("journal", "list", env=env).code == 0
    assert scene.run("audit", "rooms", "--fail-on", "never", env=env).code == 0
    answer = scene.run("room", "make-admin", room_id, "--yes", env=env)
    assert answer.code == 1
    assert "cannot write the journal" in answer.stderr
    assert "nothing was changed" in answer.stderr
    assert "SYNADMIN_JOURNAL" in answer.stderr
    assert room_id not in scene.memberships(scene.admin)


def test_room_whose_token_ended_after_the_first_step_is_failed_with_its_steps(
    scene: Scene, tmp_path: Path
) -> None:
    alice, bob = scene.someone("alice"), scene.someone("bob")
    room_id = alice.make_room(members=[bob])
    scene.deactivate(alice)
    admin = scene.server.register("ended", admin=True)

    def on_request(passing: Passing) -> None:
        if passing.path.endswith("/make_room_admin") and not passing.answered:
            admin.call("POST", "/_matrix/client/v3/logout", {})

    with (
        Proxy(scene.server.url, on_request) as proxy,
        running(tmp_path, proxy.here, admin, *make_admin(room_id)) as process,
    ):
        stdout, stderr = process.communicate()
    assert process.returncode == 3, stderr
    (record,) = json.loads(stdout)
    assert record["outcome"] == "failed"
    assert "`synadmin journal resume last` continues" in record["message"]
    states = {(step["action"], step["status"]) for step in record["steps"]}
    assert {("reactivate", "done"), ("make-room-admin", "failed"), ("deactivate", "failed")} <= states, states
    assert not scene.standing(alice).account["deactivated"], "no request could deactivate it again"


def test_account_that_stays_active_is_not_reported_as_unchanged(scene: Scene, tmp_path: Path) -> None:
    alice, bob = scene.someone("alice"), scene.someone("bob")
    room_id = alice.make_room(members=[bob])
    scene.deactivate(alice)
    changed: list[str] = []

    def on_request(passing: Passing) -> int | None:
        if passing.changes and not passing.answered:
            changed.append(passing.path)
        return 500 if len(changed) > 1 and passing.changes and not passing.answered else None

    with (
        Proxy(scene.server.url, on_request) as proxy,
        running(tmp_path, proxy.here, scene.admin, *make_admin(room_id)) as process,
    ):
        stdout, stderr = process.communicate()
    assert process.returncode == 1, stderr
    (record,) = json.loads(stdout)
    assert "Nothing was changed." not in record["message"]
    assert "The room is unchanged." in record["message"]
    assert "Not reverted, and tried again at the end" in record["message"]
    assert not scene.standing(alice).account["deactivated"]
