"""``journal resume`` continues a run, and ``journal undo`` reverts its level changes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.live.conftest import running
from tests.live.recovery.proxy import Passing, Proxy

if TYPE_CHECKING:
    from pathlib import Path

    from synadmin.ids import RoomId
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.recovery.conftest import Scene, Scenes


def undo(scene: Scene, *options: str) -> tuple[int, list[dict[str, Any]], str]:
    answer = scene.run("journal", "undo", "last", "--yes", "-o", "json", *options)
    return answer.code, json.loads(answer.stdout) if answer.stdout else [], answer.stderr


def users(scene: Scene, room_id: RoomId) -> dict[str, Any]:
    content: dict[str, dict[str, Any]] = scene.room_state(room_id, scene.admin).content or {}
    return content["users"]


def runs(scene: Scene) -> list[dict[str, Any]]:
    """Return the first journal line of each run."""
    lines: list[dict[str, Any]] = json.loads(scene.run("journal", "list", "--requests", "-o", "json").stdout)
    return list({line["run"]: line for line in reversed(lines)}.values())[::-1]


def test_undo_reverts_a_run_once(scene: Scene) -> None:
    alice = scene.someone("alice")
    room_id = alice.make_room()
    before = users(scene, room_id)
    assert scene.make_admin(room_id).code == 0
    dry_run = scene.run("journal", "undo", "last", "--dry-run")
    assert dry_run.code == 0, dry_run.stderr
    assert dry_run.stderr.endswith("1 level change: 1 planned.\nNothing was changed: --dry-run.\n")
    assert f"{scene.admin.user_id}: 100 -> 0" in dry_run.stderr
    assert f"Act as {scene.admin.user_id} and set the levels." in dry_run.stderr
    assert "not undone: POST /_matrix/client/v3/join/" in dry_run.stderr
    assert users(scene, room_id) == {**before, scene.admin.user_id: 100}

    code, records, stderr = undo(scene)
    assert code == 0, stderr
    assert records == [
        {
            "room_id": room_id,
            "outcome": "done",
            "reason": None,
            "message": "The levels are as they were.",
            "changes": [{"what": scene.admin.user_id, "before": 100, "after": 0}],
            "as": [scene.admin.user_id],
        }
    ]
    assert users(scene, room_id) == before
    assert scene.memberships(scene.admin)[room_id] == "join"
    made, undone = runs(scene)
    assert (made["command"], undone["command"], undone["undoes"]) == (
        "room make-admin",
        "journal undo",
        made["run"],
    )

    for run in ("last", made["run"], undone["run"]):
        again = scene.run("journal", "undo", run, "--yes", "--allow", "impersonate")
        assert again.code == 5
        assert f"the run {made['run'] if run != undone['run'] else run}" in again.stderr
    assert users(scene, room_id) == before
    assert scene.run("journal", "resume", "last").code == 0
    assert users(scene, room_id) == before


def test_undo_keeps_an_active_local_controller(scene: Scene) -> None:
    alice, bob, carol = (scene.someone(name) for name in ("alice", "bob", "carol"))
    left = alice.make_room(members=[bob], left=[alice])
    deactivated = carol.make_room(members=[bob])
    answer = scene.run("room", "make-admin", left, deactivated, "--allow", "impersonate", "--yes")
    assert answer.code == 0, answer.stderr
    scene.deactivate(carol)
    before = [users(scene, room_id) for room_id in (left, deactivated)]
    code, records, stderr = undo(scene, "--allow", "reactivate")
    assert code == 5, stderr
    assert [record["reason"] for record in records] == ["would-lose-control"] * 2
    assert [users(scene, room_id) for room_id in (left, deactivated)] == before
    assert scene.has_control(left, scene.admin)
    code, records, stderr = undo(scene, "--allow", "reactivate", "--leave-rooms")
    assert (code, [record["outcome"] for record in records]) == (0, ["done"] * 2), stderr
    assert not scene.has_control(left, scene.admin)


def test_undo_leaves_a_room_that_was_changed_since(scene: Scene) -> None:
    alice, bob = scene.someone("alice"), scene.someone("bob")
    rooms = [alice.make_room(members=[scene.admin, bob], users={scene.admin: 100}) for _ in range(2)]
    before = users(scene, rooms[1])
    for room_id in rooms:
        options = ("--event", "m.room.topic", "0", "--default", "invite", "50", "--yes")
        assert scene.run("room", "set-power", room_id, bob.user_id, "50", *options).code == 0
    # Each room was changed in a separate run.
    content = scene.room_state(rooms[0], alice).content or {}
    changed = {**content, "kick": 60}
    alice.set_levels(rooms[0], changed)
    first, _ = runs(scene)
    answer = scene.run("journal", "undo", first["run"], "--yes", "-o", "json")
    assert (answer.code, json.loads(answer.stdout)[0]["outcome"]) == (5, "refused")
    assert "changed after that run, so they are not undone" in json.loads(answer.stdout)[0]["message"]
    assert scene.room_state(rooms[0], alice).content == changed
    assert undo(scene)[0] == 0
    assert users(scene, rooms[1]) == before


def test_invalid_token_exits_3(scene: Scene) -> None:
    room_id = scene.someone("alice").make_room()
    assert scene.make_admin(room_id).code == 0
    answer = scene.run("journal", "undo", "last", "--yes", env={"SYNADMIN_ACCESS_TOKEN": "syt_bad"})
    assert answer.code == 3
    assert "M_UNKNOWN_TOKEN" in answer.stderr


def test_undo_of_a_killed_run_reverts_its_temporary_changes(scene: Scene, tmp_path: Path) -> None:
    alice, bob = scene.someone("alice"), scene.someone("bob")
    room_id = alice.make_room(members=[bob])
    scene.deactivate(alice)
    before = scene.standing(alice)

    def on_request(passing: Passing) -> None:
        if passing.path.endswith("/make_room_admin") and passing.answered:
            process.kill()
            raise ConnectionAbortedError

    with Proxy(scene.server.url, on_request) as proxy:
        arguments = ("room", "make-admin", room_id, "--allow", "reactivate", "--yes")
        with running(tmp_path, proxy.here, scene.admin, *arguments) as process:
            process.communicate()
        assert process.returncode == -9
        assert scene.standing(alice) != before
        undo = ("journal", "undo", "last", "--yes", "-o", "json")
        with running(tmp_path, proxy.here, scene.admin, *undo) as process:
            _, stderr = process.communicate()
    assert "It is reverted now." in stderr
    assert scene.standing(alice) == before
    assert scene.borrowed_tokens() == 0


def test_resume_of_an_ended_run_changes_nothing(scene: Scene) -> None:
    room_id = scene.someone("alice").make_room()
    assert scene.make_admin(room_id).code == 0
    scene.admin.leave(room_id)
    answer = scene.run("journal", "resume", "last", "-o", "json")
    assert (answer.code, answer.stdout) == (0, "[]\n")
    assert "has ended: there is nothing to do" in answer.stderr
    assert scene.memberships(scene.admin).get(room_id) == "leave"


def test_undo_reports_what_is_not_permitted_and_does_the_rest(
    scenes: Scenes, federation: tuple[Homeserver, Homeserver]
) -> None:
    ours, theirs = federation
    scene = scenes(ours)
    vera = scene.newcomer("vera", server=theirs)
    room_id = scene.admin.make_room(members=[vera])
    levels = ("set-power", room_id, vera.user_id, "100", "--default", "invite", "50")
    assert scene.run("room", *levels, "--yes").code == 0
    code, records, stderr = undo(scene)
    assert code == 6, stderr
    assert records[0]["outcome"] == "partly"
    assert records[0]["changes"] == [{"what": "invite", "before": 50, "after": 0}]
    assert f"{vera.user_id}: 100 -> 0: refused: {vera.user_id} on another server" in records[0]["message"]
    content = scene.room_state(room_id, vera).content or {}
    assert (content["users"][vera.user_id], content["invite"]) == (100, 0)
    # A second undo finds no more changes that it could revert.
    first = runs(scene)[0]["run"]
    answer = scene.run("journal", "undo", first, "--yes", "-o", "json")
    assert (answer.code, json.loads(answer.stdout)[0]["outcome"]) == (5, "refused")


def test_undo_lowers_a_user_of_equal_level_through_the_users_account(scene: Scene) -> None:
    alice, bob = scene.someone("alice"), scene.someone("bob")
    room_id = alice.make_room(members=[scene.admin, bob], users={scene.admin: 100})
    before = users(scene, room_id)
    arguments = ("room", "set-power", room_id, bob.user_id, "100", "--yes")
    assert scene.run(*arguments).code == 0
    code, records, _ = undo(scene)
    assert code == 5
    assert "add --allow impersonate to permit this" in records[0]["message"]
    text = scene.run("journal", "undo", "last")
    assert text.stderr == "1 level change: 1 refused.\n"
    assert "add --allow impersonate to permit this" in " ".join(text.stdout.split())
    code, records, stderr = undo(scene, "--allow", "impersonate")
    assert code == 0, stderr
    assert records[0]["as"] == [bob.user_id]
    assert users(scene, room_id) == before
    assert scene.borrowed_tokens() == 0


def test_undo_in_a_room_without_power_levels_sends_equivalent_levels(scene: Scene) -> None:
    alice = scene.someone("alice")
    room_id = alice.make_room(members=[scene.admin])
    arguments = ("room", "set-power", room_id, scene.admin.user_id, "100", "--allow", "impersonate", "--yes")
    assert scene.run(*arguments).code == 0
    code, _, stderr = undo(scene)
    assert code == 0, stderr
    assert scene.admin.user_id not in users(scene, room_id)


@pytest.mark.parametrize("verb", ["resume", "undo"])
def test_unknown_run_or_run_on_another_server_is_an_error(scene: Scene, verb: str) -> None:
    answer = (
        scene.run("journal", verb, "last", "--yes") if verb == "undo" else scene.run("journal", verb, "last")
    )
    assert answer.code == 4
    assert "the journal is empty" in answer.stderr
    room_id = scene.someone("alice").make_room()
    assert scene.make_admin(room_id).code == 0
    with Proxy(scene.server.url) as proxy:
        answer = scene.run("journal", verb, "last", env={"SYNADMIN_HOMESERVER": proxy.here})
    assert answer.code == 2
    assert f"was on {scene.server.url}, and {proxy.here} is configured" in answer.stderr


def test_run_without_level_changes_cannot_be_undone(scene: Scene) -> None:
    bob = scene.someone("bob")
    room_id = bob.make_room()
    assert scene.run("room", "block", room_id, "--yes").code == 0
    code, _, stderr = undo(scene)
    assert code == 5
    assert "changed no power levels" in stderr
    answer = scene.run("journal", "resume", "last")
    assert answer.code == 0
    assert "has ended: there is nothing to do" in answer.stderr


def test_resumed_run_names_its_origin_and_can_be_resumed(scene: Scene, tmp_path: Path) -> None:
    alice, bob = scene.someone("alice"), scene.someone("bob")
    room_id = alice.make_room(members=[bob], left=[alice])
    before = scene.standings()
    killed: list[Passing] = []

    def on_request(passing: Passing) -> None:
        if passing.path.endswith("/make_room_admin") and len(killed) < 2:
            killed.append(passing)
            process.kill()
            raise ConnectionAbortedError

    with Proxy(scene.server.url, on_request) as proxy:
        arguments = ("room", "make-admin", room_id, "--allow", "impersonate", "--yes")
        for command in (arguments, ("journal", "resume", "last")):
            with running(tmp_path, proxy.here, scene.admin, *command) as process:
                process.communicate()
            assert process.returncode == -9
        with running(tmp_path, proxy.here, scene.admin, "journal", "resume", "last", "-o", "json") as process:
            stdout, stderr = process.communicate()
        assert process.returncode == 0, stderr
        assert "ended before it could revert this: POST /_matrix/client/v3/rooms/" in stderr
        assert "Continuing: synadmin room make-admin" in stderr
        assert json.loads(stdout)[0]["outcome"] == "done"
        scene.is_regained(room_id, scene.admin, before, killed=True)
        resumed_runs = {line["run"]: line.get("resumes") for line in runs(scene)}
    first, *later = resumed_runs
    assert resumed_runs[first] is None
    assert all(resumed_runs[run] in resumed_runs for run in later)
