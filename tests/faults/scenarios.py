"""The scenarios of the fault tests: a situation, a command, and the state that it should reach."""

from __future__ import annotations

import contextlib
import itertools
import json
import sqlite3
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from synadmin.ids import encoded
from tests.faults import state
from tests.live.recovery import accounts

if TYPE_CHECKING:
    from collections.abc import Callable

    from synadmin.sandbox.accounts import Person
    from synadmin.sandbox.homeserver import Homeserver
    from tests.faults.state import State

_counter = itertools.count(1)


@dataclass
class Case:
    """A prepared situation, and a command for it.

    Attributes:
        arguments: the command.
        users: the users whose state is read.
        goal: whether the request is carried out, from the state before and now.
        room: the room, if any, whose memberships and levels may change.
        account: the account, if any, that may change.
        may_move: the membership of all users in that room and in one new room may change.
        check_output: returns the mistakes in the output of a command that only reads, and ends with 0.
    """

    arguments: list[str]
    users: list[str]
    goal: Callable[[State, State], bool]
    room: str | None = None
    account: str | None = None
    may_move: bool = False
    check_output: Callable[[str], list[str]] | None = None


@dataclass
class World:
    """A server and its users, for cases that run one after another."""

    server: Homeserver
    name: str
    users: list[Person] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.operator = self.server.register(f"operator-{self.name}", admin=True)
        self.alice, self.bob = (self.server.register(f"{name}-{self.name}") for name in ("alice", "bob"))
        self.findings: list[str] = []
        assert self.server.admin.user_id  # creates this account now, not in the middle of a case
        self.users = [self.operator, self.alice, self.bob]
        self.alice.make_room("Lost", members=[self.bob], left=[self.alice])  # an audit finds it

    def new_user(self, name: str) -> Person:
        """Register a user for one case."""
        return self.server.register(f"{name}-{self.name}-{next(_counter)}")

    def case(self, arguments: list[str], goal: Callable[[State, State], bool], *others: str) -> Case:
        return Case(arguments, [*(person.user_id for person in self.users), *others], goal)

    def read(self, case: Case) -> State:
        now = state.read(self.server.directory / "homeserver.db", case.users)
        # Registration tokens belong to no user, so those of other workers are left out.
        now.tokens = {token for token in now.tokens if f"-{self.name}-" in token}
        return now


def _is_recovered(world: World, room: str) -> Callable[[State, State], bool]:
    me = world.operator.user_id

    def goal(_before: State, now: State) -> bool:
        levels = now.levels.get(room, {}).get("users", {})
        return now.memberships.get((me, room)) == "join" and levels.get(me) == 100

    return goal


def _make_admin(world: World, room: str, *options: str, other: Person | None = None) -> Case:
    arguments = ["room", "make-admin", room, "--yes", "-o", "json", *options]
    case = world.case(arguments, _is_recovered(world, room), *([other.user_id] if other else []))
    case.room = room
    return case


def make_admin(world: World) -> Case:
    return _make_admin(world, world.alice.make_room(members=[world.bob]))


def impersonate(world: World) -> Case:
    room = world.alice.make_room(members=[world.bob], left=[world.alice])
    return _make_admin(world, room, "--allow", "impersonate")


def reactivate(world: World) -> Case:
    """The only user with power is deactivated, and has left."""
    dora = world.new_user("dora")
    room = dora.make_room(members=[world.bob])
    accounts.deactivate(world.server.admin, dora, erase=False)
    return _make_admin(world, room, "--allow", "reactivate", other=dora)


def unlock(world: World) -> Case:
    """The only user with power is locked, and has left."""
    lara = world.new_user("lara")
    room = lara.make_room(members=[world.bob], left=[lara])
    world.server.admin.modify_user(lara, locked=True)
    return _make_admin(world, room, "--allow", "reactivate", other=lara)


def replace(world: World) -> Case:
    room = world.alice.make_room("The old one", members=[world.bob])
    operator = world.operator.user_id
    arguments = ["room", "replace", room, "--admin", operator, "--confirm", room, "--anyway", "--no-block"]

    def goal(before: State, now: State) -> bool:
        new = now.rooms - before.rooms
        if len(new) != 1 or (world.alice.user_id, room) in now.memberships:
            return False
        (new_room,) = new
        levels = now.levels.get(new_room, {})
        return (
            all(now.memberships.get((person.user_id, new_room)) == "join" for person in world.users)
            and operator in {*levels.get("users", {}), now.creators[new_room]}
            and levels.get("users_default", 0) == 0
            and now.join_rules.get(new_room) == "invite"
        )

    case = world.case([*arguments, "-o", "json"], goal)
    case.room, case.may_move = room, True
    return case


def set_power(world: World) -> Case:
    room, bob = world.alice.make_room(members=[world.bob]), world.bob.user_id
    arguments = ["room", "set-power", room, bob, "50", "--allow", "impersonate", "--yes", "-o", "json"]

    def goal(_before: State, now: State) -> bool:
        return bool(now.levels[room]["users"].get(bob) == 50)

    case = world.case(arguments, goal)
    case.room = room
    return case


def demote(world: World) -> Case:
    room = world.alice.make_room(members=[world.bob], users={world.bob: 100})
    bob = world.bob.user_id
    arguments = ["room", "demote", room, bob, "--allow", "impersonate", "--yes", "-o", "json"]

    def goal(_before: State, now: State) -> bool:
        return bool(now.levels[room]["users"].get(bob, 0) == 0)

    case = world.case(arguments, goal)
    case.room = room
    return case


def delete(world: World) -> Case:
    room = world.alice.make_room(members=[world.bob])

    def goal(before: State, now: State) -> bool:
        return room not in now.rooms and not now.rooms - before.rooms

    case = world.case(["room", "delete", room, "--yes", "-o", "json"], goal)
    case.room, case.may_move = room, True
    return case


def deactivate(world: World) -> Case:
    zed = world.new_user("zed")
    room, user = world.alice.make_room(members=[zed]), zed.user_id

    def goal(_before: State, now: State) -> bool:
        deactivated = now.accounts[user][0]
        return deactivated and (user, room) not in now.memberships and user not in now.sessions

    case = world.case(["user", "deactivate", user, "--yes", "-o", "json"], goal, user)
    case.room, case.account = room, user
    return case


def create(world: World) -> Case:
    user = f"@new-{world.name}-{next(_counter)}:{world.server.server_name}"

    def goal(_before: State, now: State) -> bool:
        return user in now.accounts and not now.accounts[user][0]

    case = world.case(["user", "create", user, "--displayname", "New", "-o", "json"], goal, user)
    case.account = user
    return case


def media(world: World) -> Case:
    uploaded = world.alice.call("POST", "/_matrix/media/v3/upload", {"some": "file"})["content_uri"]

    def goal(_before: State, now: State) -> bool:
        return uploaded.rpartition("/")[2] not in now.media

    return world.case(["media", "delete", uploaded, "--yes", "-o", "json"], goal)


def token_create(world: World) -> Case:
    token = f"new-{world.name}-{next(_counter)}"
    arguments = ["registration-token", "create", token, "--uses", "1", "-o", "json"]
    return world.case(arguments, lambda _before, now: token in now.tokens)


def token_delete(world: World) -> Case:
    token = f"old-{world.name}-{next(_counter)}"
    world.server.admin.call("POST", "/_synapse/admin/v1/registration_tokens/new", {"token": token})
    arguments = ["registration-token", "delete", token, "--yes", "-o", "json"]
    return world.case(arguments, lambda _before, now: token not in now.tokens)


def audit(world: World) -> Case:
    """The findings are right, or the audit says that it is incomplete."""
    arguments = ["audit", "--fail-on", "never", "-o", "json"]

    def check_output(stdout: str) -> list[str]:
        report = json.loads(stdout)
        found = sorted(f"{finding['rule']} {finding['subject']['id']}" for finding in report["findings"])
        if not world.findings:
            world.findings = found
        return [] if found == world.findings else [f"found {found} rather than {world.findings}"]

    case = world.case(arguments, lambda before, now: before == now)
    case.check_output = check_output
    return case


SCENARIOS: dict[str, Callable[[World], Case]] = {
    "make-admin": make_admin,
    "impersonate": impersonate,
    "reactivate": reactivate,
    "unlock": unlock,
    "replace": replace,
    "set-power": set_power,
    "demote": demote,
    "delete": delete,
    "deactivate": deactivate,
    "create": create,
    "media": media,
    "token-create": token_create,
    "token-delete": token_delete,
    "audit": audit,
}


def clean_up(world: World, case: Case, before: State) -> None:
    """Revert what a case has left, so that the next case finds the users unchanged."""
    admin = world.server.admin
    for user in before.limits.keys() ^ world.read(case).limits.keys():
        admin.call("DELETE", f"/_synapse/admin/v1/users/{encoded(user)}/override_ratelimit")
    database = world.server.directory / "homeserver.db"
    with contextlib.closing(sqlite3.connect(database, timeout=30)) as connection, connection:
        marks = ",".join("?" * len(case.users))
        query = f"DELETE FROM access_tokens WHERE puppets_user_id IN ({marks})"
        connection.execute(query, case.users)
