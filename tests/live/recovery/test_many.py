"""Regain thirty rooms by impersonation, with Synapse's default rate limits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from synadmin.ids import RoomId
    from synadmin.sandbox.accounts import Person
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.recovery.conftest import Scene, Scenes

ROOMS = 30


def lost_rooms(scene: Scene, alice: Person, bob: Person) -> list[RoomId]:
    """Make private rooms whose admin has left."""
    with scene.admin.lifted_limits(alice, bob):
        return [alice.make_room(members=[bob], left=[alice]) for _ in range(ROOMS)]


def test_many_rooms_are_regained_and_rate_limits_restored(scenes: Scenes, default_limits: Homeserver) -> None:
    scene = scenes(default_limits)
    caller = default_limits.register("chief-of-many", admin=True)
    alice, bob = scene.someone("alice"), scene.someone("bob")
    rooms = lost_rooms(scene, alice, bob)
    scene.admin.synapse.users.set_ratelimit(caller.user_id, messages_per_second=7, burst_count=9)
    before = scene.standings()
    answer = scene.run(
        "room", "make-admin", *rooms, "--allow", "impersonate", "--yes", "-o", "json", acting=caller
    )
    assert answer.code == 0, answer.stderr
    records = json.loads(answer.stdout)
    assert [(record["outcome"], record["reach"]) for record in records] == [("done", "impersonate")] * ROOMS
    assert "the server asks to wait" not in answer.stderr
    assert scene.standings() == before
    assert scene.borrowed_tokens() == 0
    memberships = scene.memberships(caller)
    assert all(memberships[room_id] == "join" for room_id in rooms)
    limits = scene.admin.synapse.users.ratelimit(caller.user_id)
    assert (limits.messages_per_second, limits.burst_count) == (7, 9)


def test_plans_of_rooms_read_in_parallel_equal_single_plans(scene: Scene) -> None:
    alice, bob = scene.someone("alice"), scene.someone("bob")
    unknown = "!gone:nowhere.example"
    rooms = [alice.make_room(members=[bob]), alice.make_room(left=[alice], members=[bob]), unknown] * 4
    rooms += [alice.make_room() for _ in range(8)]
    answers = [
        scene.run(
            "room", "make-admin", *rooms, "--dry-run", "-o", "json", env={"SYNADMIN_CONCURRENCY": number}
        )
        for number in ("1", "4")
    ]
    assert answers[0].stdout == answers[1].stdout
    assert len(json.loads(answers[0].stdout)) == 11
    assert answers[0].code == answers[1].code
