"""``room make-admin`` while other users change the power levels of the same room."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.live.conftest import running
from tests.live.recovery.proxy import Passing, Proxy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.live.recovery.conftest import Scene


def make_admin(
    scene: Scene, home: Path, on_request: Callable[[Passing], int | None], *arguments: str
) -> tuple[int | None, dict[str, Any]]:
    """Run the command through a proxy; return its exit code and the record of the room."""
    with (
        Proxy(scene.server.url, on_request) as proxy,
        running(
            home, proxy.here, scene.admin, "room", "make-admin", *arguments, "--yes", "-o", "json"
        ) as process,
    ):
        stdout, _ = process.communicate(timeout=60)
    (record,) = json.loads(stdout)
    return process.returncode, record


def test_level_that_another_user_overwrites_is_granted_again(scene: Scene, tmp_path: Path) -> None:
    alice, bob = scene.someone("alice"), scene.someone("bob")
    room_id = alice.make_room(version="12", members=[bob])  # a creator can lower every level
    levels = alice.state(room_id, "m.room.power_levels")
    grants: list[Passing] = []

    def on_request(passing: Passing) -> None:
        if passing.path.endswith("/make_room_admin") and passing.answered:
            grants.append(passing)
            if len(grants) == 1:  # based on the levels before the grant
                alice.set_levels(room_id, {**levels, "users": {**levels["users"], bob.user_id: 30}})

    code, record = make_admin(scene, tmp_path, on_request, room_id)
    assert (code, record["outcome"], record["power_level"]["before"]) == (0, "done", 0), record
    assert [step["action"] for step in record["steps"]] == ["make-room-admin", "join", "make-room-admin"]
    users = alice.state(room_id, "m.room.power_levels")["users"]
    assert users == {**levels["users"], bob.user_id: 30, scene.admin.user_id: 100}


@pytest.mark.parametrize(("target", "lowered"), [("admin", False), ("bob", False), ("bob", True)])
def test_change_that_make_room_admin_overwrites_is_made_again(
    scene: Scene, tmp_path: Path, target: str, *, lowered: bool
) -> None:
    alice, bob, carol, dave = (scene.someone(name) for name in ("alice", "bob", "carol", "dave"))
    room_id = alice.make_room(version="12", members=[bob, carol, dave, scene.admin])
    who, levels = {"admin": scene.admin, "bob": bob}[target], alice.state(room_id, "m.room.power_levels")
    theirs = {carol.user_id: 100} if target == "bob" else {carol.user_id: 100, dave.user_id: 30}

    def on_request(passing: Passing) -> int | None:
        if lowered and "/messages" in passing.path and passing.answered and theirs[carol.user_id] == 100:
            theirs[carol.user_id] = 10  # newer than the change that was lost
            alice.set_levels(room_id, {**levels, "users": {**levels["users"], **theirs, who.user_id: 100}})
        if not passing.path.endswith("/make_room_admin") or passing.answered or made:
            return None
        made.append(passing)
        # As if Synapse had read the levels before the change and sent them afterwards.
        alice.set_levels(room_id, {**levels, "users": levels["users"] | theirs})
        alice.set_levels(room_id, {**levels, "users": {**levels["users"], who.user_id: 100}})
        return 200

    made: list[Passing] = []
    code, record = make_admin(scene, tmp_path, on_request, room_id, "--user", who.user_id)
    assert (code, record["outcome"]) == (0, "done"), record
    assert "lost" not in record["message"]
    users = alice.state(room_id, "m.room.power_levels")["users"]
    assert users == {**levels["users"], **theirs, who.user_id: 100}
