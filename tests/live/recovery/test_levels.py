"""``room set-power`` and ``room demote``: the acting user, and refusals that protect control of the room."""

from __future__ import annotations

import json
import shlex
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.live.conftest import running
from tests.live.recovery.proxy import Passing, Proxy

if TYPE_CHECKING:
    from pathlib import Path

    from synadmin.ids import RoomId
    from synadmin.sandbox.accounts import Person
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.recovery.conftest import Scene, Scenes


def result(scene: Scene, *arguments: str, acting: Person | None = None) -> tuple[int, dict[str, Any], str]:
    answer = scene.run("room", *arguments, "--yes", "-o", "json", acting=acting)
    return answer.code, json.loads(answer.stdout) if answer.stdout else {}, answer.stderr


def content(scene: Scene, room_id: RoomId) -> dict[str, Any]:
    return scene.room_state(room_id, scene.admin).content or {}


def test_level_is_set_with_the_admins_own_power_and_other_levels_are_kept(scene: Scene) -> None:
    alice, bob = scene.someone("alice"), scene.someone("bob")
    room_id = alice.make_room(members=[bob, scene.admin], users={scene.admin: 100})
    alice.set_levels(room_id, {**content(scene, room_id), "org.example.own": {"kept": True}})
    before = content(scene, room_id)
    code, record, stderr = result(scene, "set-power", room_id, bob.user_id, "50")
    assert code == 0, stderr
    assert record == {
        "room_id": room_id,
        "outcome": "done",
        "message": "The power levels are set.",
        "changes": [{"what": bob.user_id, "before": 0, "after": 50}],
        "as": scene.admin.user_id,
        "reach": "api",
    }
    assert content(scene, room_id) == {**before, "users": {**before["users"], bob.user_id: 50}}

    event = scene.room_state(room_id, bob).event_id
    code, record, _ = result(scene, "set-power", room_id, bob.user_id, "50")
    assert (code, record["outcome"], record["changes"]) == (0, "done", [])
    assert scene.room_state(room_id, bob).event_id == event

    code, record, stderr = result(
        scene, "set-power", room_id, "--event", "m.room.topic", "0", "--default", "invite", "50"
    )
    assert code == 0, stderr
    after = content(scene, room_id)
    assert (after["events"]["m.room.topic"], after["invite"]) == (0, 50)
    assert after["events"].items() >= before["events"].items()
    assert (after["org.example.own"], after["kick"]) == ({"kept": True}, 50)


def test_dry_run_shows_who_gains_and_loses_what(scene: Scene) -> None:
    alice, bob = scene.someone("alice"), scene.someone("bob")
    room_id = alice.make_room(members=[bob, scene.admin], users={scene.admin: 100, bob: 50})
    event = scene.room_state(room_id, bob).event_id
    answer = scene.run("room", "set-power", room_id, "--default", "kick", "75", "--dry-run")
    assert answer.code == 0
    assert "kick: 50 -> 75" in answer.stderr
    assert f"warning: {bob.user_id} can no longer kick" in answer.stderr
    assert f"Act as {scene.admin.user_id} and set the levels." in answer.stderr
    assert "Nothing was changed: --dry-run." in answer.stderr
    answer = scene.run("room", "set-power", room_id, "--default", "kick", "75")
    assert answer.code == 2
    assert "there is no terminal to ask on" in answer.stderr
    assert scene.room_state(room_id, bob).event_id == event


def test_malicious_admin_is_demoted_through_their_own_account(scene: Scene) -> None:
    mallory, bob = scene.someone("mallory"), scene.someone("bob")
    room_id = mallory.make_room(members=[bob, scene.admin], users={scene.admin: 100})
    before = scene.standings()
    code, _, stderr = result(scene, "demote", room_id, mallory.user_id)
    assert code == 5
    again = f"room demote '{room_id}' {mallory.user_id} --allow impersonate"
    assert stderr.endswith(f"hint: `synadmin {again}`\n")
    assert (
        f"{mallory.user_id} has the same level as your account (100), and users of equal level cannot lower "
        f"each other. Possible: Act as {mallory.user_id} and set the levels."
    ) in stderr
    code, record, stderr = result(scene, *shlex.split(again)[1:])
    assert code == 0, stderr
    assert (record["as"], record["reach"]) == (mallory.user_id, "impersonate")
    assert mallory.user_id not in content(scene, room_id)["users"]
    assert scene.standings() == before
    assert scene.borrowed_tokens() == 0


@pytest.mark.parametrize("own", [None, 60])
def test_user_is_demoted_below_a_default_level_that_gives_control(scene: Scene, own: int | None) -> None:
    alice, bob = scene.someone("alice"), scene.someone("bob")
    users = {alice.user_id: 100} | ({} if own is None else {bob.user_id: own})
    levels = {"users": users, "users_default": 50, "events": {"m.room.power_levels": 50}}
    room_id = alice.make_room(members=[bob], exact_levels=levels)
    record_at_50 = result(scene, "demote", room_id, bob.user_id, "--to", "50", "--allow", "impersonate")[1]
    assert record_at_50["message"].endswith(f" {bob.user_id} still has control: control takes level 50.")
    code, record, stderr = result(scene, "demote", room_id, bob.user_id, "--allow", "impersonate")
    assert (code, record["changes"]) == (0, [{"what": bob.user_id, "before": 50, "after": 0}]), stderr
    assert content(scene, room_id) == {**levels, "users": {alice.user_id: 100, bob.user_id: 0}}


@pytest.mark.parametrize("state", ["suspended", "locked", "deactivated"])
def test_deactivated_admin_is_demoted_and_stays_deactivated(scene: Scene, state: str) -> None:
    mallory, bob = scene.someone("mallory"), scene.someone("bob")
    room_id = mallory.make_room(members=[bob, scene.admin], users={scene.admin: 100})
    {"suspended": scene.suspend, "locked": scene.lock, "deactivated": scene.deactivate}[state](mallory)
    before = scene.standings()
    code, record, stderr = result(
        scene, "demote", room_id, mallory.user_id, "--to", "10", "--allow", "reactivate"
    )
    assert code == 0, stderr
    assert (record["as"], record["reach"]) == (mallory.user_id, "reactivate")
    assert content(scene, room_id)["users"][mallory.user_id] == 10
    assert scene.standings() == before
    assert scene.borrowed_tokens() == 0


def test_admin_who_left_rejoins_temporarily_to_set_a_level(scene: Scene) -> None:
    alice, bob, carol = scene.someone("alice"), scene.someone("bob"), scene.someone("carol")
    room_id = alice.make_room(members=[bob, carol], left=[alice])
    before = scene.standings()
    code, record, stderr = result(scene, "set-power", room_id, bob.user_id, "100", "--allow", "impersonate")
    assert code == 0, stderr
    assert record["as"] == alice.user_id
    assert content(scene, room_id)["users"][bob.user_id] == 100
    assert scene.standings() == before
    assert scene.borrowed_tokens() == 0


def test_any_member_sets_levels_where_all_members_may(scene: Scene) -> None:
    alice, bob = scene.someone("alice"), scene.someone("bob")
    room_id = alice.make_room(members=[bob], exact_levels={"users_default": 100}, left=[alice])
    code, record, stderr = result(
        scene,
        "set-power",
        room_id,
        "--default",
        "users_default",
        "0",
        bob.user_id,
        "100",
        "--allow",
        "impersonate",
    )
    assert code == 0, stderr
    assert record["as"] == bob.user_id
    assert content(scene, room_id) == {"users_default": 0, "users": {bob.user_id: 100}}


def test_remote_user_with_equal_power_is_not_demoted(
    scenes: Scenes, federation: tuple[Homeserver, Homeserver]
) -> None:
    ours, theirs = federation
    scene = scenes(ours)
    alice, vera = scene.someone("alice"), scene.newcomer("vera", server=theirs)
    room_id = alice.make_room(members=[vera, scene.admin], users={scene.admin: 100, vera: 100})
    event = scene.room_state(room_id, alice).event_id
    code, _, stderr = result(scene, "demote", room_id, vera.user_id, "--allow", "reactivate")
    assert code == 5
    assert f"{vera.user_id} on another server has at least as much power" in stderr
    assert scene.room_state(room_id, alice).event_id == event
    # Local control may be given up only if a remote user has control, and only with --leave-rooms.
    result(scene, "demote", room_id, alice.user_id, "--allow", "impersonate")
    code, record, _ = result(scene, "demote", room_id, scene.admin.user_id)
    assert (code, record["outcome"], record["reason"]) == (5, "refused", "would-lose-control")
    assert [room["room_id"] for room in record["rooms"]] == [room_id]
    code, _, stderr = result(scene, "demote", room_id, scene.admin.user_id, "--leave-rooms")
    assert code == 0, stderr
    assert content(scene, room_id)["users"] == {vera.user_id: 100}


def test_levels_that_lock_out_all_users_are_refused(scene: Scene) -> None:
    alice = scene.someone("alice")
    room_id = alice.make_room(members=[scene.admin], users={scene.admin: 100, alice: 0})
    event = scene.room_state(room_id, alice).event_id
    for arguments in (
        ("demote", room_id, scene.admin.user_id, "--leave-rooms"),
        ("set-power", room_id, "--event", "m.room.power_levels", "101", "--leave-rooms"),
    ):
        code, record, _ = result(scene, *arguments, "--allow", "reactivate")
        assert (code, record["reason"]) == (5, "would-lose-control")
        assert "no user could ever change the room's power levels" in record["message"]
    assert scene.room_state(room_id, alice).event_id == event


def test_unknown_account_gets_no_power(scene: Scene) -> None:
    room_id = scene.admin.make_room()
    event = scene.room_state(room_id, scene.admin).event_id
    code, _, stderr = result(scene, "set-power", room_id, "nobody-of-that-name", "100")
    assert code == 5
    assert "anyone who registers that name would get the power" in stderr
    assert scene.room_state(room_id, scene.admin).event_id == event


def test_version_12_creator_is_above_every_level(scene: Scene) -> None:
    alice = scene.someone("alice")
    room_id = alice.make_room(version="12", members=[scene.admin], users={scene.admin: 100})
    code, _, stderr = result(scene, "demote", room_id, alice.user_id, "--allow", "impersonate")
    assert code == 5
    assert "a creator is above every level" in stderr


@pytest.mark.parametrize(
    "wrong",
    [
        ("set-power", "ROOM"),
        ("set-power", "ROOM", "bob"),
        ("set-power", "ROOM", "bob", "many"),
        ("set-power", "ROOM", "--default", "nonsense", "5"),
        ("set-power", "not-a-room", "bob", "5"),
        ("demote", "ROOM", "bob", "--to", "60"),
    ],
)
def test_invalid_levels_are_a_usage_error(scene: Scene, wrong: tuple[str, ...]) -> None:
    bob = scene.someone("bob")
    room_id = scene.admin.make_room(users={bob: 50})
    named = {"ROOM": room_id, "bob": bob.user_id}
    answer = scene.run("room", *(named.get(word, word) for word in wrong), "--yes")
    assert (answer.code, answer.stdout) == (2, "")
    assert answer.stderr.startswith("synadmin: ")


def test_negative_levels_can_be_set(scene: Scene) -> None:
    bob = scene.someone("bob")
    room_id = scene.admin.make_room()
    answer = scene.run("room", "set-power", "--yes", "--", room_id, bob.user_id, "-1")
    assert answer.code == 0, answer.stderr
    assert content(scene, room_id)["users"][bob.user_id] == -1


@pytest.mark.parametrize("machines", [1, 2], ids=["on one machine", "on two machines"])
def test_changes_of_two_simultaneous_runs_are_both_kept(scene: Scene, tmp_path: Path, machines: int) -> None:
    bob, carol = scene.someone("bob"), scene.someone("carol")
    rooms = [scene.admin.make_room() for _ in range(8)]
    for number, room_id in enumerate(rooms, 1):
        runs = []
        with ExitStack() as stack:
            for which, who in enumerate((bob, carol)):
                home = tmp_path / str(which % machines)
                home.mkdir(exist_ok=True)
                arguments = ("room", "set-power", room_id, who.user_id, str(number), "--yes", "-o", "json")
                run = running(home, scene.server.url, scene.admin, *arguments)
                runs.append(stack.enter_context(run))
            answers = [run.communicate(timeout=60) for run in runs]
        assert [json.loads(stdout)["outcome"] for stdout, _ in answers] == ["done", "done"], answers
    for number, room_id in enumerate(rooms, 1):
        users = content(scene, room_id)["users"]
        assert (users[bob.user_id], users[carol.user_id]) == (number, number)


def test_last_admin_is_not_demoted_where_the_other_one_left_meanwhile(scene: Scene, tmp_path: Path) -> None:
    alice, bob = scene.someone("alice"), scene.someone("bob")
    room_id = alice.make_room(members=[bob], users={bob: 100})
    reads: list[Passing] = []

    def on_request(passing: Passing) -> None:
        if passing.path.endswith("type=m.room.power_levels") and not passing.answered:
            reads.append(passing)
            if len(reads) == 2:  # after the plan: the levels are read once more before they are sent
                bob.set_power(room_id, {bob: 0})

    arguments = ["room", "demote", room_id, alice.user_id, "--allow", "impersonate", "--yes", "-o", "json"]
    with (
        Proxy(scene.server.url, on_request) as proxy,
        running(tmp_path, proxy.here, scene.admin, *arguments) as process,
    ):
        stdout, stderr = process.communicate()
    assert process.returncode == 5, stderr
    record = json.loads(stdout)
    assert (record["outcome"], record["reason"]) == ("refused", "would-lose-control")
    assert "the power levels have changed: no user of this server would" in record["message"]
    assert content(scene, room_id)["users"][alice.user_id] == 100


def test_unknown_user_is_not_demoted(scene: Scene) -> None:
    room_id = scene.admin.make_room()
    code, record, stderr = result(scene, "demote", room_id, "nobody-of-that-name")
    assert (code, record) == (4, {})
    assert "there is no account @nobody-of-that-name:" in stderr
