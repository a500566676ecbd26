"""``user offboard`` with rooms of all kinds: a run that is killed many times has the same result.

The remote users do not exist. Their ids only appear in power levels, above the local users.
``SYNADMIN_TEST_EVERY=10`` makes three rooms of each kind, and kills the run at every tenth request.
"""

from __future__ import annotations

import itertools
import os
import signal
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.live.conftest import running
from tests.live.recovery.proxy import Passing, Proxy

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from synadmin.ids import RoomId
    from synadmin.sandbox.accounts import Person
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.recovery.conftest import Scene, Scenes

EVERY = int(os.environ.get("SYNADMIN_TEST_EVERY", "0"))
ABOVE = "@chief:elsewhere.example"
CONTROL_AT_100 = {"m.room.power_levels": 100}


@dataclass(frozen=True)
class Kind:
    """A kind of room with Alice as a member, and its expected state after she is off-boarded.

    Attributes:
        room: the arguments that make the room.
        levels: the expected levels, by the name of the user.
        stays: whether Alice is expected to stay in the room.
        successor: the expected membership of Carol.
        creator: the name of the user who makes the room.
    """

    room: Mapping[str, Any]
    levels: Mapping[str, int]
    stays: bool = False
    successor: str | None = "join"
    creator: str = "alice"


_SOLE = {"carol": 100}
KINDS = {
    "sole admin": Kind({"members": ["bob"]}, _SOLE),
    "public": Kind({"members": ["bob"], "public": True}, _SOLE),
    "space": Kind({"members": ["bob"], "space": True}, _SOLE),
    "successor is a member": Kind({"members": ["bob", "carol"]}, _SOLE),
    "successor is banned": Kind({"members": ["bob"], "banned": ["carol"]}, _SOLE),
    "creator": Kind({"members": ["bob"], "version": "12"}, _SOLE),
    "another server above": Kind(
        {"members": ["bob"], "levels": {"users": {"alice": 100, ABOVE: 150}}}, {"carol": 100, ABOVE: 150}
    ),
    "another server in control": Kind(
        {"members": ["bob"], "levels": {"users": {"alice": 50, ABOVE: 100}, "events": CONTROL_AT_100}},
        {"alice": 50, ABOVE: 100},
        successor=None,
    ),
    "one of two": Kind({"members": ["bob"], "users": {"bob": 100}}, {"bob": 100}, successor=None),
    "moderator": Kind(
        {"members": ["alice"], "users": {"alice": 50}}, {"bob": 100}, successor=None, creator="bob"
    ),
    "member": Kind({"members": ["alice"]}, {"bob": 100}, stays=True, successor=None, creator="bob"),
    "no other member": Kind({}, {"alice": 100}, stays=True, successor=None),
}


def rooms_of(scene: Scene, people: Mapping[str, Person]) -> dict[RoomId, Kind]:
    """Make one room of each kind, or three with SYNADMIN_TEST_EVERY; return them with their kinds."""

    def with_people(value: Any) -> Any:  # noqa: ANN401 - arguments of make_room
        if isinstance(value, list):
            return [people[name] for name in value]
        if isinstance(value, dict):
            return {
                people[name].user_id if name in people else name: with_people(item)
                for name, item in value.items()
            }
        return value

    with scene.admin.lifted_limits(*people.values()):
        return {
            people[kind.creator].make_room(name, **with_people(kind.room)): kind
            for name, kind in KINDS.items()
            for _ in range(3 if EVERY else 1)
        }


@dataclass
class Killer:
    """Kills the command after a number of answered requests."""

    home: Path
    scene: Scene
    process: subprocess.Popen[str] | None = None
    remaining_requests: int = 0
    ready: threading.Event = field(default_factory=threading.Event)

    def on_request(self, passing: Passing) -> None:
        self.ready.wait()
        self.remaining_requests -= passing.answered
        if self.remaining_requests == 0 and passing.answered and self.process is not None:
            self.process.kill()
            raise ConnectionAbortedError

    def run(self, url: str, arguments: Iterable[str], *, requests: int) -> tuple[int, str]:
        """Run the command until this many requests are answered; return its exit code and stderr."""
        self.remaining_requests = requests
        self.ready.clear()
        with running(self.home, url, self.scene.admin, *arguments) as self.process:
            self.ready.set()
            _, stderr = self.process.communicate()
        return self.process.returncode, stderr


def test_killed_offboarding_is_resumed_to_the_same_result(
    scenes: Scenes, default_limits: Homeserver, tmp_path: Path
) -> None:
    scene = scenes(default_limits)
    people = {name: scene.someone(name) for name in ("alice", "bob", "carol")}
    alice, bob, carol = people.values()
    rooms = rooms_of(scene, people)
    before = scene.standings(but=alice)
    arguments = ["user", "offboard", alice.user_id, "--to", carol.user_id, "--allow", "impersonate", "--yes"]
    killer = Killer(tmp_path, scene)
    with Proxy(scene.server.url, killer.on_request) as proxy:
        for runs in itertools.count(1):
            code, stderr = killer.run(proxy.here, arguments, requests=runs * (EVERY or 40))
            if (tmp_path / "state" / "synadmin" / "journal.sqlite3").exists():
                arguments = ["journal", "resume", "last"]
            if code != -signal.SIGKILL:
                break
    # If the answer with a token was lost, the token stays valid until it expires.
    assert code == ("It expires by itself at" in stderr), stderr
    assert runs > 3
    assert "the server asks to wait" not in stderr

    names = {who.user_id: name for name, who in people.items()}
    for room_id, kind in rooms.items():
        event = scene.admin.levels_event(room_id)
        assert event is not None
        levels = {str(names.get(user, user)): level for user, level in event["content"]["users"].items()}
        assert levels == kind.levels, kind
        assert scene.admin.membership(room_id, alice) == ("join" if kind.stays else "leave"), kind
        assert scene.admin.membership(room_id, bob) == (
            None if kind == KINDS["no other member"] else "join"
        ), kind
        assert scene.admin.membership(room_id, carol) == kind.successor, kind
    assert scene.admin.synapse.users.get(alice.user_id).locked
    now = scene.standings(but=alice)
    for standing in (*now.values(), *before.values()):
        for room_id in rooms:
            standing.memberships.pop(room_id, None)
    assert now == before


def test_account_without_power_leaves_its_rooms_in_the_next_run(scene: Scene, tmp_path: Path) -> None:
    alice, bob = scene.someone("alice"), scene.someone("bob")
    room_id = bob.make_room("Moderated", members=[alice], users={alice: 50})
    quiet = bob.make_room("A member without power", members=[alice])
    killed: list[Passing] = []

    def on_request(passing: Passing) -> None:
        if passing.path.endswith("/leave") and not killed:
            killed.append(passing)
            process.kill()
            raise ConnectionAbortedError

    arguments = ("user", "offboard", alice.user_id, "--to", bob.user_id, "--allow", "impersonate", "--yes")
    with Proxy(scene.server.url, on_request) as proxy:
        with running(tmp_path, proxy.here, scene.admin, *arguments) as process:
            process.communicate()
        event = scene.admin.levels_event(room_id)
        assert event is not None
        assert event["content"]["users"] == {bob.user_id: 100}
        assert scene.admin.membership(room_id, alice) == "join"
        with running(tmp_path, proxy.here, scene.admin, *arguments) as process:
            _, stderr = process.communicate()
    assert (process.returncode, len(killed)) == (0, 1), stderr
    assert scene.admin.membership(room_id, alice) == "leave"
    assert scene.admin.membership(quiet, alice) == "join"
    assert scene.admin.synapse.users.get(alice.user_id).locked
