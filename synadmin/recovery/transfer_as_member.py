"""Moving rooms as the old owner, with only the old owner's token."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

from synadmin.errors import MatrixError, NotAuthenticatedError, RateLimitedError
from synadmin.ids import RoomAlias, RoomId
from synadmin.power import rules
from synadmin.power.level_changes import Edit
from synadmin.power.levels import LEVEL_WITHOUT_EVENT
from synadmin.power.room import RoomView
from synadmin.recovery import change_levels, outcome
from synadmin.recovery.member import Member
from synadmin.recovery.outcome import StepTaken
from synadmin.recovery.transfer_plan import (
    INSIDE,
    LOWER,
    Move,
    RoomTransfer,
    granted,
    is_over,
    last_edit,
    lowering,
    outlook,
    over_message,
    waiting_for_rate_limit,
)


@dataclass(slots=True)
class AsMember:
    """A transfer with only the old owner's token."""

    member: Member
    move: Move
    lock: Callable[[RoomId], AbstractContextManager[bool]]
    """Keeps other runs on this machine from changing a room."""
    leave_rooms: bool = True

    def plan(self, room: RoomId | RoomAlias) -> RoomTransfer:
        """Look at a room as a member, and plan its transfer."""
        start = RoomTransfer(room=room, room_id=None, outcome=outcome.REFUSED, message="")
        try:
            room_id = self.member.resolved(room)
            view = self.view_of(room_id)
        except MatrixError as error:
            if isinstance(error, NotAuthenticatedError):
                raise
            return replace(start, reason="not-in-room", message=f"{room} cannot be read: {error}")
        start = replace(start, room_id=room_id, before=view, now=view, name=self.member.name(room_id))
        if is_over(view, self.move):
            return replace(start, outcome=outcome.DONE, message=over_message(self.move))
        if not view.has_control(self.move.old):
            message = f"{self.move.old} does not have control of it: level {view.levels.control} is needed"
            return replace(start, reason="insufficient-power", message=message)
        if view.membership_of(self.move.new) == "ban":
            message = f"{self.move.new} is banned from the room: lift the ban first"
            return replace(start, reason="target-banned", message=message)
        content = self._granting(view)
        forbidden = content and rules.changing_power_levels(view, self.move.old, content)
        if not forbidden and view.membership_of(self.move.new) not in INSIDE:
            forbidden = rules.inviting(view, self.move.old, self.move.new)
        if forbidden:
            return replace(start, reason="insufficient-power", message=str(forbidden))
        steps = self._steps(view, content)
        return replace(start, outcome=outcome.PLANNED, message=outlook(view, self.move), steps=steps)

    def _steps(self, view: RoomView, content: dict[str, Any] | None) -> tuple[StepTaken, ...]:
        old, new = self.move.old, self.move.new
        steps = []
        if content is not None:
            steps.append(StepTaken(LOWER, old, f"As {old} give {new} level {content['users'][new]}."))
        if view.membership_of(new) not in INSIDE:
            steps.append(StepTaken("invite", old, f"As {old} invite {new}."))
        if view.membership_of(new) != "join":
            steps.append(StepTaken("join", new, f"Join the room as {new}."))
        lowered = lowering(granted(view, self.move), self.move)
        return (*steps, StepTaken(LOWER, old, f"As {old}: {lowered}.")) if lowered else tuple(steps)

    def grant(self, room_transfer: RoomTransfer) -> RoomTransfer:
        """Set the level, unless the new owner has it, and invite."""
        if room_transfer.room_id is None:
            return room_transfer
        with self.lock(room_transfer.room_id):
            view = self.view_of(room_transfer.room_id)
            content = self._granting(view)
            if content is not None:
                self._send(view, Edit(users={self.move.new: content["users"][self.move.new]}))
            if self._granting(room_transfer.before or view) is not None:
                first, *others = room_transfer.steps
                room_transfer = replace(room_transfer, steps=(replace(first, status=outcome.DONE), *others))
            if view.membership_of(self.move.new) not in INSIDE:
                try:
                    self.member.synapse.client_server.invite(view.room_id, self.move.new)
                except RateLimitedError as error:
                    return waiting_for_rate_limit(room_transfer, self.move, error.retry_after)
                room_transfer = room_transfer.done("invite")
        return replace(room_transfer, reason=None)

    def view_of(self, room_id: RoomId) -> RoomView:
        """Return a view of the room as a member sees it."""
        return self.member.view_of(room_id, self.move.new)

    def demote(self, view: RoomView) -> None:
        """Lower oneself, which is always allowed."""
        with self.lock(view.room_id):
            edit = last_edit(view, self.move)
            if edit is not None:
                self._send(view, edit)

    def _send(self, view: RoomView, edit: Edit) -> None:
        """Send an edit of the levels; levels that others set at the same time stay."""
        change_levels.send_levels(self.member, self.member.synapse, view, edit)

    def _granting(self, view: RoomView) -> dict[str, Any] | None:
        levels = view.levels
        if levels.level_of(self.move.new) >= levels.control:
            return None
        own = levels.level_of(self.move.old)
        level = max(LEVEL_WITHOUT_EVENT, levels.control) if levels.is_creator(self.move.old) else own
        return levels.granting(self.move.new, level)
