"""The transfer of rooms to a new owner: delays of single rooms, and failures at each step.

The rooms here are in memory; tests/live/transfer has real ones.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from synadmin.errors import (
    MatrixError,
    NotAuthenticatedError,
    NotPermittedError,
    RateLimitedError,
    SynadminError,
)
from synadmin.ids import RoomAlias, RoomId, UserId
from synadmin.power.room import RoomView
from synadmin.recovery import change_levels
from synadmin.recovery.outcome import StepTaken
from synadmin.recovery.transfer import hand_over
from synadmin.recovery.transfer_as_member import AsMember
from synadmin.recovery.transfer_plan import (
    Move,
    RoomTransfer,
    last_edit,
    objection,
    outlook,
    waiting_for_rate_limit,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OLD = UserId("@old:home.example")
NEW = UserId("@new:away.example")
FRIEND = UserId("@friend:home.example")
MOVE = Move(NEW, OLD)
ROOM = RoomId("!a:home.example")
FORBIDDEN = MatrixError(status=403, errcode="M_FORBIDDEN", reason="You are not invited to this room.")


def room(room_id: RoomId = ROOM, version: str = "11", **levels: object) -> RoomView:
    return RoomView(
        room_id=room_id,
        version=version,
        creators=(OLD,),
        power_levels={"users": {OLD: 100} if version != "12" else {}, **levels},
        server_name="home.example",
        memberships={OLD: "join", NEW: "leave"},
        joined_local_members=1,
        joined_members=1,
    )


@dataclass
class RoomsInMemory:
    """Rooms in memory. ``failures`` has the errors that a step in a room raises, one at each attempt."""

    views: dict[RoomId, RoomView]
    failures: dict[tuple[str, RoomId], list[SynadminError]] = field(default_factory=dict)
    leave_rooms: bool = True

    def _raise_next_failure(self, step: str, room_id: RoomId) -> None:
        errors = self.failures.get((step, room_id))
        if errors:
            raise errors.pop(0)

    def plan(self, room: RoomId | RoomAlias) -> RoomTransfer:
        view = self.views[RoomId(room)]
        return RoomTransfer(
            room=room, room_id=view.room_id, outcome="planned", message="", before=view, now=view
        )

    def grant(self, room_transfer: RoomTransfer) -> RoomTransfer:
        room_id = RoomId(room_transfer.room)
        self._raise_next_failure("grant", room_id)
        view = self.views[room_id]
        view = replace(view, power_levels=view.levels.granting(NEW, 100))
        try:
            self._raise_next_failure("invite", room_id)
        except RateLimitedError as error:
            self.views[room_id] = view
            return waiting_for_rate_limit(room_transfer, MOVE, error.retry_after)
        self.views[room_id] = replace(view, memberships={**view.memberships, NEW: "invite"})
        return replace(room_transfer, reason=None)

    def view_of(self, room_id: RoomId) -> RoomView:
        self._raise_next_failure("read", room_id)
        return self.views[room_id]

    def demote(self, view: RoomView) -> None:
        self._raise_next_failure("demote", view.room_id)
        edit = last_edit(view, MOVE)
        if edit is not None:
            self.views[view.room_id] = replace(view, power_levels=edit.applied(view))

    def accept_invitation(self, room_id: RoomId) -> None:
        self._raise_next_failure("accept", room_id)
        view = self.views[room_id]
        if view.membership_of(NEW) != "invite":
            raise FORBIDDEN
        self.views[room_id] = replace(view, memberships={**view.memberships, NEW: "join"})

    def hand_over(
        self, *, accepts: bool = True, pauses: Callable[[int], bool] | int = 5
    ) -> list[RoomTransfer]:
        """Hand over all rooms. ``pauses`` is their number, or the function that is called for each."""
        left = pauses if isinstance(pauses, int) else 0

        def pause(_: int) -> bool:
            nonlocal left
            left -= 1
            return left >= 0

        plans = [self.plan(room_id) for room_id in self.views]
        accept = self.accept_invitation if accepts else None
        return list(
            hand_over(self, plans, MOVE, accept=accept, pause=pause if isinstance(pauses, int) else pauses)
        )

    def levels(self, room_id: RoomId = ROOM) -> tuple[int, int]:
        """Return the levels of the old and of the new owner."""
        levels = self.views[room_id].levels
        return levels.level_of(OLD), levels.level_of(NEW)


def make_rooms(count: int) -> RoomsInMemory:
    ids = [RoomId(f"!{letter}:home.example") for letter in "abcdefg"[:count]]
    return RoomsInMemory({room_id: room(room_id) for room_id in ids})


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic clock: a list with its time, which the test changes."""
    now = [1000.0]
    monkeypatch.setattr("synadmin.recovery.transfer.time.monotonic", lambda: now[0])
    return now


def test_every_room_is_transferred() -> None:
    rooms = make_rooms(3)
    result = rooms.hand_over()
    assert [transfer.outcome for transfer in result] == ["done"] * 3
    assert {rooms.levels(room_id) for room_id in rooms.views} == {(0, 100)}


def test_refused_and_finished_rooms_are_unchanged() -> None:
    rooms = make_rooms(1)
    plans = [replace(rooms.plan(ROOM), outcome=kind) for kind in ("refused", "done")]
    result = list(hand_over(rooms, plans, MOVE, accept=rooms.accept_invitation, pause=lambda _: False))
    assert result == plans
    assert rooms.levels() == (100, 0)


def test_delayed_invitation_is_awaited() -> None:
    rooms = make_rooms(1)
    rooms.failures["accept", ROOM] = [FORBIDDEN, FORBIDDEN]
    (result,) = rooms.hand_over()
    assert (result.outcome, rooms.levels()) == ("done", (0, 100))


def test_missing_invitation_leaves_control_with_the_old_owner() -> None:
    rooms = make_rooms(2)
    rooms.failures["accept", ROOM] = [FORBIDDEN] * 10
    other, stuck = rooms.hand_over()
    assert (other.outcome, stuck.outcome, stuck.room_id) == ("done", "pending", ROOM)
    assert "You are not invited" in stuck.message
    assert f"{OLD} keeps control" in stuck.message
    assert rooms.levels() == (100, 100)


def test_join_of_the_new_owner_is_awaited_until_the_timeout() -> None:
    rooms = make_rooms(2)
    seen: list[int] = []

    def pause(left: int) -> bool:
        seen.append(left)
        (waiting, *_) = [
            room_id for room_id, view in rooms.views.items() if view.membership_of(NEW) == "invite"
        ]
        rooms.accept_invitation(waiting)
        return True

    result = rooms.hand_over(accepts=False, pauses=pause)
    assert [transfer.outcome for transfer in result] == ["done", "done"]
    assert seen == [2, 1]


def test_failed_grant_stops_only_that_room() -> None:
    rooms = make_rooms(2)
    rooms.failures["grant", ROOM] = [NotPermittedError(status=403, errcode="M_FORBIDDEN", reason="no")]
    failed, done = rooms.hand_over()
    assert (failed.outcome, failed.reason, done.outcome) == ("failed", "not-permitted", "done")
    assert rooms.levels() == (100, 0)


@pytest.mark.parametrize("step", ["read", "demote"])
def test_later_failure_leaves_control_with_the_old_owner(step: str) -> None:
    rooms = make_rooms(2)
    rooms.failures[step, ROOM] = [MatrixError(status=400, errcode="M_UNKNOWN", reason="a bad day")]
    result = {transfer.room_id: transfer for transfer in rooms.hand_over()}
    record = result[ROOM].as_record(MOVE)
    assert (record["outcome"], record["reason"]) == ("failed", "server-error")
    assert "a bad day" in record["message"]
    assert record["power_level"]["from"] == {"before": 100, "after": 100}
    assert rooms.levels() == (100, 100)
    assert Counter(transfer.outcome for transfer in result.values()) == {"failed": 1, "done": 1}


@pytest.mark.parametrize("step", ["grant", "accept", "read", "demote"])
def test_expired_token_stops_the_transfer(step: str) -> None:
    rooms = make_rooms(2)
    expired = NotAuthenticatedError(status=401, errcode="M_UNKNOWN_TOKEN", reason="gone")
    rooms.failures[step, ROOM] = [expired]
    plans = [rooms.plan(room_id) for room_id in rooms.views]
    yielded: list[RoomTransfer] = []
    with pytest.raises(NotAuthenticatedError):
        yielded.extend(hand_over(rooms, plans, MOVE, accept=rooms.accept_invitation, pause=lambda _: False))
    assert rooms.levels()[0] == 100
    # The second room was not begun if the token ended at the first change.
    assert [result.outcome for result in yielded] == ["failed"] * (1 if step == "grant" else 2)


def test_rate_limited_invitation_is_sent_later(clock: list[float]) -> None:
    rooms = make_rooms(1)
    rooms.failures["invite", ROOM] = [
        RateLimitedError(status=429, errcode="M_LIMIT_EXCEEDED", reason="too many", retry_after=300.0)
    ]
    invited_at: list[float] = []

    def pause(_: int) -> bool:
        if rooms.views[ROOM].membership_of(NEW) == "invite":
            invited_at.append(clock[0])
        clock[0] += 100
        return True

    (result,) = rooms.hand_over(pauses=pause)
    assert (result.outcome, result.reason, rooms.levels()) == ("done", None, (0, 100))
    assert clock[0] == 1300.0, "exactly the time that the server named"


def test_rate_limited_invitation_at_the_end_is_pending_with_its_time(
    clock: list[float],
) -> None:
    rooms = make_rooms(1)
    rooms.failures["invite", ROOM] = [
        RateLimitedError(status=429, errcode="M_LIMIT_EXCEEDED", reason="too many", retry_after=327.0)
    ]
    (result,) = rooms.hand_over(pauses=0)
    assert (result.outcome, result.reason, clock) == ("pending", "rate-limited", [1000.0])
    assert "delay the invitation for 327 s" in result.message
    assert rooms.levels() == (100, 100)


def test_rate_limited_join_is_not_repeated_early(clock: list[float]) -> None:
    rooms = make_rooms(1)
    slow = RateLimitedError(status=429, errcode="M_LIMIT_EXCEEDED", reason="too many", retry_after=50.0)
    rooms.failures["accept", ROOM] = [slow]

    def pause(_: int) -> bool:
        assert clock[0] < 1050.0
        clock[0] += 25
        return True

    (result,) = rooms.hand_over(pauses=pause)
    assert (result.outcome, clock[0]) == ("done", 1050.0)


def test_new_owner_without_power_does_not_get_the_room() -> None:
    rooms = make_rooms(1)

    def lose_power(_: int) -> bool:
        view = rooms.views[ROOM]
        rooms.views[ROOM] = replace(
            view, power_levels={"users": {OLD: 100}}, memberships={**view.memberships, NEW: "join"}
        )
        return True

    (result,) = rooms.hand_over(accepts=False, pauses=lose_power)
    assert (result.outcome, result.reason) == ("failed", "insufficient-power")
    assert rooms.levels() == (100, 0)


def test_version_12_creator_stays_and_the_new_owner_may_upgrade() -> None:
    rooms = RoomsInMemory({ROOM: room(version="12", events={"m.room.tombstone": 150})})
    (result,) = rooms.hand_over()
    record = result.as_record(MOVE)
    assert (record["outcome"], record["reason"]) == ("partly", "creator-stays")
    assert record["power_level"] == {
        "needed": 50,
        "from": {"before": "creator", "after": "creator"},
        "to": {"before": 0, "after": 150},
    }


@pytest.mark.parametrize(
    ("levels", "after"),
    [
        ({"users": {OLD: 100, FRIEND: 50}}, {"users": {FRIEND: 50, NEW: 100}}),
        ({"users": {OLD: 100}, "users_default": 50}, {"users": {OLD: 0, NEW: 100}, "users_default": 50}),
        ({"users": {OLD: 100}, "users_default": 100}, {"users": {OLD: 0, NEW: 100}, "users_default": 100}),
        ({"users": {OLD: 100}, "users_default": -10}, {"users": {NEW: 100}, "users_default": -10}),
        ({"users": {OLD: 0, NEW: 100}}, {"users": {OLD: 0, NEW: 100}}),
    ],
    ids=[
        "other level",
        "default level 50",
        "default level 100",
        "default level -10",
        "level is 0 already",
    ],
)
def test_only_the_old_owner_loses_power(levels: dict[str, object], after: dict[str, object]) -> None:
    rooms = RoomsInMemory({ROOM: replace(room(), power_levels=levels)})
    (result,) = rooms.hand_over()
    assert result.outcome == "done"
    assert rooms.views[ROOM].power_levels == after


def test_old_owner_whose_level_did_not_change_is_not_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RoomsInMemory, "demote", lambda *_: None)
    (result,) = make_rooms(1).hand_over()
    assert (result.outcome, result.reason) == ("partly", "server-error")
    assert result.message == f"{NEW} has control, but {OLD} still has level 100."


def test_new_owner_without_the_level_for_an_upgrade_is_not_advised_to_upgrade(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(RoomsInMemory, "demote", lambda *_: None)
    rooms = RoomsInMemory({ROOM: room(version="12", events={"m.room.tombstone": 150})})
    (result,) = rooms.hand_over()
    assert (result.outcome, result.reason) == ("partly", "creator-stays")
    assert "upgrade" not in result.message


def test_refusal_names_the_members_who_have_control_by_default() -> None:
    refusal = objection(room(users={OLD: 0}, users_default=50), MOVE)
    assert refusal is not None
    assert refusal[0] == "insufficient-power"
    assert "all members without a level of their own have control" in refusal[1]


def test_plan_names_only_others_who_keep_control() -> None:
    view = room(users={OLD: 100, FRIEND: 50})
    view = replace(view, memberships={**view.memberships, FRIEND: "join"})
    assert outlook(view, MOVE).endswith(f"then {OLD} loses its power; {FRIEND} keeps control.")


@pytest.mark.parametrize("step", ["grant", "demote"])
def test_member_locks_the_room_it_changes(monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    locked: list[RoomId] = []
    sent: list[list[RoomId]] = []

    @contextmanager
    def lock(room_id: RoomId) -> Iterator[bool]:
        locked.append(room_id)
        try:
            yield False
        finally:
            locked.remove(room_id)

    view = replace(room(), memberships={OLD: "join", NEW: "join"})
    member = cast("Any", SimpleNamespace(synapse=None, view_of=lambda *_: view))
    monkeypatch.setattr(change_levels, "send_levels", lambda *_: sent.append([*locked]))
    as_member = AsMember(member, MOVE, lock)
    if step == "grant":
        step_taken = StepTaken("set-level", OLD, "")
        as_member.grant(
            RoomTransfer(
                room=ROOM, room_id=ROOM, outcome="planned", message="", before=view, steps=(step_taken,)
            )
        )
    else:
        as_member.demote(view)
    assert sent == [[ROOM]]
    assert locked == []
