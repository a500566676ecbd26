"""One room of each situation: what Synapse itself does with it, and what the command makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from synadmin.power.room import Goal
from synadmin.recovery.observer import Observer
from tests.live.differential import Held, Reply, ask, foresee, held
from tests.live.room_result import RoomResult

if TYPE_CHECKING:
    from synadmin.ids import RoomAlias, RoomId, UserId
    from synadmin.sandbox.accounts import Person
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.conftest import Newcomer, Synadmin


@dataclass(frozen=True)
class Trial:
    """A server, its administrator, and the command line."""

    server: Homeserver
    synadmin: Synadmin
    newcomer: Newcomer

    @property
    def admin(self) -> Person:
        return self.server.admin

    def someone(self, name: str = "alice") -> Person:
        return self.newcomer(name, server=self.server)

    def held(self, room_id: RoomId, target: Person | UserId) -> Held:
        return held(self.admin, room_id, _id(target))

    def level(self, room_id: RoomId, target: Person | UserId) -> Any:  # noqa: ANN401 - any JSON
        """The target's entry in the levels, None where it has none."""
        content = self.held(room_id, target).content or {}
        return content.get("users", {}).get(_id(target))

    def asked(self, room_id: RoomId, target: Person | UserId) -> tuple[int, str | None, str | None]:
        """Foresee, ask Synapse, hold the one to the other, and return the answer."""
        goal = Goal(target=_id(target), caller=self.admin.user_id)
        before = self.held(room_id, target)
        _, foreseen = foresee(Observer(self.admin.synapse), room_id, goal)
        reply = ask(self.admin.synapse, room_id, _id(target))
        after = self.held(room_id, target)
        assert reply == Reply(foreseen.status, foreseen.errcode, foreseen.message)
        if before.event_id is not None:
            assert after.content == foreseen.content
        assert (after.event_id != before.event_id) == foreseen.new_event
        assert after.membership == ("invite" if foreseen.invited else before.membership)
        return reply.status, reply.errcode, reply.message

    def regain(
        self, room: RoomId | RoomAlias, target: Person | UserId | None = None, *options: str
    ) -> RoomResult:
        """Run the command on one room."""
        user = () if target is None else ("--user", _id(target))
        answer = self.synadmin(
            "room", "make-admin", room, *user, "--yes", "-o", "json", *options, server=self.server
        )
        return RoomResult.by(answer)

    def refused(self, room_id: RoomId, target: Person | UserId | None = None, *options: str) -> RoomResult:
        """Run the command on one room, and see that nothing was changed."""
        who = self.admin if target is None else target
        before = self.held(room_id, who)
        result = self.regain(room_id, target, *options)
        assert self.held(room_id, who) == before
        assert result.code == 5
        assert result.record["outcome"] == "refused"
        assert result.steps == []
        assert result.levels[0] == result.levels[1]
        assert result.memberships[0] == result.memberships[1]
        assert not result.record["control"]
        return result


def _id(who: Person | UserId) -> UserId:
    return who if isinstance(who, str) else who.user_id


class Trials(Protocol):
    def __call__(self, server: Homeserver) -> Trial: ...


@pytest.fixture
def trials(synadmin: Synadmin, newcomer: Newcomer) -> Trials:
    return lambda server: Trial(server, synadmin, newcomer)


@pytest.fixture
def trial(homeserver: Homeserver, trials: Trials) -> Trial:
    """On the server with raised limits."""
    return trials(homeserver)
