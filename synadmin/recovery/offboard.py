"""Giving control of an account's rooms to successors before the account is locked or deactivated.

While the account is still in its rooms and active, this needs no impersonation: Make Room Admin works
through it. Rooms come first and spaces last, since membership of a space may let users join its rooms.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from synadmin.errors import JournalError, NotAuthenticatedError, RefusedError, SynadminError
from synadmin.ids import RoomId, UserId
from synadmin.journal import entries
from synadmin.power.events import SPACE
from synadmin.power.level_changes import Edit
from synadmin.power.room import Goal, Reach, RoomView
from synadmin.recovery import change_levels
from synadmin.recovery import outcome as results
from synadmin.recovery.make_admin import Preview, Run, preview_rooms
from synadmin.recovery.outcome import Outcome
from synadmin.recovery.room_control import RoomControl, control_of, rooms_of
from synadmin.recovery.workspace import Recovery
from synadmin.text import command

_FEW = 3  # rooms that Synapse's default rate limits let pass without a wait
_COMMAND = "user offboard"  # as the journal names it
_NOT_HANDED = frozenset({results.REFUSED, results.FAILED})
_WORST_FIRST = (results.FAILED, results.REFUSED, results.PENDING, results.PLANNED, results.DONE)


@dataclass(frozen=True, slots=True)
class RoomHandover:
    """A room of the account, and the result for each successor.

    Attributes:
        control: the controllers before.
        outcomes: one for each successor.
        controllers_after: the joined local users with control now; as before where nothing was changed.
    """

    control: RoomControl
    outcomes: tuple[Outcome, ...]
    controllers_after: tuple[UserId, ...]

    @property
    def outcome(self) -> str:
        """The worst outcome of its successors; ``partly`` where not every one was refused or failed."""
        kinds = {result.outcome for result in self.outcomes}
        if kinds & _NOT_HANDED and not kinds <= _NOT_HANDED:
            return results.PARTLY
        return next(kind for kind in _WORST_FIRST if kind in kinds)

    @property
    def worst(self) -> Outcome:
        """The result that the room's reason and message are taken from."""
        return min(self.outcomes, key=lambda result: _WORST_FIRST.index(result.outcome))

    def as_record(self) -> dict[str, Any]:
        """Return the room as ``user offboard -o json`` shows it."""
        return {
            "room_id": self.control.view.room_id,
            "room": self.control.room,
            "outcome": self.outcome,
            "reason": self.worst.reason,
            "message": self.worst.message,
            "successors": [result.user_id for result in self.outcomes],
            "controllers": {
                "before": list(self.control.controllers),
                "after": list(self.controllers_after),
            },
            "steps": [step.as_record() for result in self.outcomes for step in result.steps],
        }


@dataclass(frozen=True, slots=True)
class Offboarding:
    """Hands the rooms of accounts over to successors.

    Attributes:
        recovery: the run.
        successors: the users who get control.
        allow: how far it may go.
    """

    recovery: Recovery
    successors: tuple[UserId, ...]
    allow: Reach

    def previews(self, rooms: Iterable[RoomControl]) -> Iterator[tuple[RoomControl, list[Preview]]]:
        """Plan each room for each successor, spaces last; nothing is changed.

        Raises:
            SynadminError: the server did not answer a request, or answered with an error.
        """
        # Where there are no power levels, Make Room Admin would take the leaver's control too early.
        self.recovery.observer.keeps_creators = True
        for control in sorted(rooms, key=lambda room: room.details.room_type == SPACE):
            previews = [
                preview
                for goal in self._goals(control.view.room_id)
                for preview in preview_rooms(self.recovery.observer, [control.view.room_id], goal)
            ]
            yield control, previews

    def planned(self, rooms: Iterable[RoomControl]) -> list[RoomHandover]:
        """Return the plan of each room."""
        return [
            RoomHandover(control, tuple(preview.result for preview in previews), control.controllers)
            for control, previews in self.previews(rooms)
        ]

    def carry_out(self, rooms: Iterable[RoomControl]) -> Iterator[RoomHandover]:
        """Give the successors control of each room, and read back who has it.

        Raises:
            SynadminError: an error that stops all rooms; see ``Run.carry_out``.
        """
        rooms = list(rooms)
        self._lift_rate_limits(len(rooms))
        for control, previews in self.previews(rooms):
            outcomes = []
            for preview, goal in zip(previews, self._goals(control.view.room_id), strict=True):
                outcomes.append(Run(self.recovery, goal).carry_out(preview))
            after = self._controllers_now(control)
            yield RoomHandover(control, tuple(_verified(result, after) for result in outcomes), after)

    def read_again(self, handed: Iterable[RoomHandover]) -> list[RoomHandover]:
        """Return the rooms with their present controllers: the account may have left since."""
        return [replace(room, controllers_after=self._controllers_now(room.control)) for room in handed]

    def _controllers_now(self, control: RoomControl) -> tuple[UserId, ...]:
        self.recovery.observer.forget_all()
        return control_of(self.recovery.observer, control.view.room_id).controllers

    def rooms_to_give_up(self, user: UserId, handed: Iterable[RoomControl]) -> Iterator[RoomControl]:
        """Yield the rooms in which :meth:`give_up` would take power from the account; nothing is changed.

        Args:
            user: the account.
            handed: the rooms that are handed over first.

        Raises:
            SynadminError: the server did not answer a request, or answered with an error.
        """
        keep_control = {room.view.room_id for room in handed}
        for room_id, membership in rooms_of(self.recovery.observer, user).items():
            if membership == "join":
                control = control_of(self.recovery.observer, room_id)
                stays = room_id in keep_control or control.others({user})
                if stays and _has_power(control.view, user):
                    yield control

    def give_up(self, user: UserId) -> list[str]:
        """Remove the account's power in each room that it has joined, and make it leave the room.

        Creators of version 12 rooms keep their power: no level can be taken from them. A level that no local
        user may take stays, too. A room that no other local user is in stays as it is: power given up there
        could not be regained.

        Returns:
            The rooms in which that did not succeed, each with the reason.
        """
        failed = []
        memberships = rooms_of(self.recovery.observer, user)
        joined = [room_id for room_id, membership in memberships.items() if membership == "join"]
        self._lift_rate_limits(len(joined))
        for room_id in joined:
            try:
                self._give_up(user, room_id)
            except (JournalError, NotAuthenticatedError):
                raise
            except SynadminError as error:
                failed.append(f"{room_id}: {error}")
        return failed

    def _give_up(self, user: UserId, room_id: RoomId) -> None:
        view = change_levels.view_to_edit(self.recovery.observer, room_id)
        has_power = _has_power(view, user)
        if not has_power and not self._gave_up_before(user, room_id):
            return
        if not control_of(self.recovery.observer, room_id).others({user}):
            return
        if has_power and not view.levels.is_creator(user):
            self._take_level(view, user)
        self.recovery.as_user(user).client_server.leave(room_id)
        if self.recovery.observer.membership_now(user, room_id) == "join":
            raise SynadminError(f"{user} is still in {room_id}")

    def _gave_up_before(self, user: UserId, room_id: RoomId) -> bool:
        """Whether an earlier run took the account's power in a room, and ended before the account left."""
        for entry in entries(self.recovery.journal.path, room=room_id):
            levels = (entry.get("before") or {}).get("power_levels") or {}
            had, has = (content.get("users") or {} for content in (levels, entry.get("body") or {}))
            if entry["command"] == _COMMAND and user in had and user not in has:
                return True
        return False

    def _take_level(self, view: RoomView, user: UserId) -> None:
        """Remove the account's level; it stays where no local user may change it."""
        edit = Edit(users={user: None})
        try:
            plan = change_levels.plan(
                self.recovery.observer, view, edit, allow=Reach.IMPERSONATE, leave_rooms=True
            )
        except RefusedError as error:
            if error.reason == RefusedError.reason:
                return
            raise
        change_levels.carry_out(self.recovery, plan)

    def _lift_rate_limits(self, rooms: int) -> None:
        if rooms > _FEW:
            self.recovery.lift_rate_limits()

    def _goals(self, room_id: RoomId) -> Sequence[Goal]:
        caller = self.recovery.observer.synapse.owner
        make_admin = ("room", "make-admin", room_id)
        return [
            Goal(
                target=user,
                caller=caller,
                allow=self.allow,
                possible=Reach.IMPERSONATE,
                why_not=f"`{command(*make_admin, '--user', user, '--allow', 'reactivate')}` can do it.",
            )
            for user in self.successors
        ]


def _has_power(view: RoomView, user: UserId) -> bool:
    """Whether a member has more power than others, or control, which all members may have."""
    level = view.levels.level_of(user)
    return level > view.levels.users_default or level >= view.levels.control


def _verified(result: Outcome, controllers: Sequence[UserId]) -> Outcome:
    """Return a result that is ``done`` only where the successor was read back as a controller."""
    if result.outcome != results.DONE or result.user_id in controllers:
        return result
    message = f"{result.user_id} does not have control of the room, as read back."
    return replace(result, outcome=results.FAILED, reason="server-error", message=message)
