"""A server with users: compare their accounts, memberships and sessions before and after a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from synadmin.errors import MatrixError
from synadmin.ids import encoded
from tests.live.differential import RoomState, room_state
from tests.live.recovery import accounts
from tests.live.room_result import RoomResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from synadmin.ids import RoomAlias, RoomId, UserId
    from synadmin.sandbox.accounts import Person
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.conftest import Answer, Newcomer, Synadmin


@dataclass(frozen=True)
class Standing:
    """The account, memberships and sessions of a user, which a run must not change."""

    account: dict[str, Any]
    memberships: dict[RoomId, str]
    devices: tuple[str, ...]
    session: str
    limits: tuple[int | None, int | None]


@dataclass
class Scene:
    """A server, the users of one test, and the command line."""

    server: Homeserver
    synadmin: Synadmin
    newcomer: Newcomer
    people: list[Person] = field(default_factory=list)

    @property
    def admin(self) -> Person:
        return self.server.admin

    def someone(self, name: str = "alice") -> Person:
        who = self.newcomer(name, server=self.server)
        self.people.append(who)
        return who

    # Change accounts

    def deactivate(self, who: Person, *, erase: bool = False) -> None:
        accounts.deactivate(self.admin, who, erase=erase)

    def suspend(self, who: Person) -> None:
        self.admin.suspend(who)

    def lock(self, who: Person) -> None:
        self.admin.modify_user(who, locked=True)

    # Read the state

    def memberships(self, who: Person) -> Mapping[RoomId, str]:
        return accounts.memberships(self.server, who)

    def standing(self, who: Person) -> Standing:
        details = self.admin.synapse.users.get(who.user_id)
        names = ("deactivated", "erased", "suspended", "locked", "shadow_banned", "admin", "displayname")
        path = f"/_synapse/admin/v2/users/{encoded(who.user_id)}/devices"
        devices = self.admin.call("GET", path)["devices"]
        limits = self.admin.synapse.users.ratelimit(who.user_id)
        try:
            session = str(who.synapse.client_server.whoami().user_id)
        except MatrixError as error:
            session = f"{error.status} {error.errcode}"
        return Standing(
            account={name: getattr(details, name) for name in names},
            memberships={room: kind for room, kind in self.memberships(who).items() if kind != "leave"},
            devices=tuple(sorted(device["device_id"] for device in devices)),
            session=session,
            limits=(limits.messages_per_second, limits.burst_count),
        )

    def standings(self, *, but: Person | None = None) -> dict[UserId, Standing]:
        """Return the standing of the server admin and of all users of the test."""
        people = [self.admin, *self.people]
        return {who.user_id: self.standing(who) for who in people if who is not but}

    def borrowed_tokens(self) -> int:
        return accounts.borrowed_tokens(self.server, self.people)

    def room_state(self, room_id: RoomId, who: Person) -> RoomState:
        return room_state(self.admin, room_id, who.user_id)

    def has_control(self, room_id: RoomId, who: Person) -> bool:
        """Return whether the server accepts new power levels from a user."""
        content = who.state(room_id, "m.room.power_levels")
        try:
            who.set_levels(room_id, {**content, "org.example.proof": who.user_id})
        except MatrixError:
            return False
        who.set_levels(room_id, content)
        return True

    # Run commands

    def run(
        self, *arguments: str, acting: Person | None = None, env: Mapping[str, str] | None = None
    ) -> Answer:
        return self.synadmin(*arguments, server=self.server, acting=acting, env=env)

    def make_admin(self, room: RoomId | RoomAlias, *options: str, acting: Person | None = None) -> RoomResult:
        answer = self.run("room", "make-admin", room, "--yes", "-o", "json", *options, acting=acting)
        return RoomResult.by(answer)

    def regain(
        self, room_id: RoomId, *options: str, target: Person | None = None, reach: str = "impersonate"
    ) -> RoomResult:
        """Regain a room that needs this reach. Check that with less reach it is refused and unchanged."""
        who = target or self.admin
        user = () if target is None else ("--user", target.user_id)
        before, room = self.standings(), self.room_state(room_id, who)
        less = {"impersonate": (), "reactivate": ("--allow", "impersonate")}[reach]
        refused = self.make_admin(room_id, *user, *less)
        assert refused.code == 5, refused
        assert (refused.record["outcome"], refused.record["reach"]) == ("refused", reach)
        assert f"--allow {reach}" in refused.record["message"]
        assert refused.steps == []
        assert (self.standings(), self.room_state(room_id, who)) == (before, room)

        result = self.make_admin(room_id, *user, "--allow", reach, *options)
        assert result.verdict == (0, "done", None, reach), (result.record, result.stderr)
        self.is_regained(room_id, who, before)
        again = self.make_admin(room_id, *user)
        assert again.verdict == (0, "done", None, "api")
        assert again.steps == []
        return result

    def is_regained(
        self, room_id: RoomId, who: Person, before: Mapping[UserId, Standing], *, killed: bool = False
    ) -> None:
        """Check that a user has control, and that all users are otherwise unchanged.

        The tokens of a killed run expire after a few minutes.
        """
        assert self.has_control(room_id, who)
        now = self.standings()
        mine, earlier = now.pop(who.user_id), dict(before)
        then = earlier.pop(who.user_id)
        assert now == earlier
        assert mine.memberships == {**then.memberships, room_id: "join"}
        assert (mine.account, mine.devices, mine.session) == (then.account, then.devices, then.session)
        assert mine.limits == then.limits
        assert killed or self.borrowed_tokens() == 0


class Scenes(Protocol):
    def __call__(self, server: Homeserver) -> Scene: ...


@pytest.fixture
def scenes(synadmin: Synadmin, newcomer: Newcomer) -> Scenes:
    return lambda server: Scene(server, synadmin, newcomer)


@pytest.fixture
def scene(homeserver: Homeserver, scenes: Scenes) -> Scene:
    """Return the scene on the server with raised rate limits."""
    return scenes(homeserver)
