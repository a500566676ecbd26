"""Fixtures that compare Synapse's Make Room Admin with its prediction, and run `room make-admin`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from synadmin.power.room import Goal
from synadmin.recovery.observer import Observer
from tests.live.differential import Reply, RoomState, call_make_room_admin, predict_make_admin, room_state
from tests.live.room_result import RoomResult

if TYPE_CHECKING:
    from synadmin.ids import RoomAlias, RoomId, UserId
    from synadmin.sandbox.accounts import Person
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.conftest import Newcomer, Synadmin


@dataclass(frozen=True)
class Context:
    """A server, its server admin, and the command line."""

    server: Homeserver
    synadmin: Synadmin
    newcomer: Newcomer

    @property
    def admin(self) -> Person:
        return self.server.admin

    def someone(self, name: str = "alice") -> Person:
        return self.newcomer(name, server=self.server)

    def room_state(self, room_id: RoomId, target: Person | UserId) -> RoomState:
        return room_state(self.admin, room_id, _id(target))

    def level(self, room_id: RoomId, target: Person | UserId) -> Any:  # noqa: ANN401 - any JSON
        """Return the target's entry in the power levels, or None."""
        content = self.room_state(room_id, target).content or {}
        return content.get("users", {}).get(_id(target))

    def checked_reply(self, room_id: RoomId, target: Person | UserId) -> tuple[int, str | None, str | None]:
        """Call Make Room Admin, compare its reply and effect with the prediction, and return the reply."""
        goal = Goal(target=_id(target), caller=self.admin.user_id)
        before = self.room_state(room_id, target)
        _, predicted = predict_make_admin(Observer(self.admin.synapse), room_id, goal)
        reply = call_make_room_admin(self.admin.synapse, room_id, _id(target))
        after = self.room_state(room_id, target)
        assert reply == Reply(predicted.status, predicted.errcode, predicted.message)
        if before.event_id is not None:
            assert after.content == predicted.content
        assert (after.event_id != before.event_id) == predicted.new_event
        assert after.membership == ("invite" if predicted.invited else before.membership)
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

    def regain_refused(
        self, room_id: RoomId, target: Person | UserId | None = None, *options: str
    ) -> RoomResult:
        """Run the command on one room, and check that it refuses and changes nothing."""
        who = self.admin if target is None else target
        before = self.room_state(room_id, who)
        result = self.regain(room_id, target, *options)
        assert self.room_state(room_id, who) == before
        assert result.code == 5
        assert result.record["outcome"] == "refused"
        assert result.steps == []
        assert result.levels[0] == result.levels[1]
        assert result.memberships[0] == result.memberships[1]
        assert not result.record["control"]
        return result


def _id(who: Person | UserId) -> UserId:
    return who if isinstance(who, str) else who.user_id


class Contexts(Protocol):
    def __call__(self, server: Homeserver) -> Context: ...


@pytest.fixture
def contexts(synadmin: Synadmin, newcomer: Newcomer) -> Contexts:
    return lambda server: Context(server, synadmin, newcomer)


@pytest.fixture
def context(homeserver: Homeserver, contexts: Contexts) -> Context:
    """Return the context of the server with raised rate limits."""
    return contexts(homeserver)
