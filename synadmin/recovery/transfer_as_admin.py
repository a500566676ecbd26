"""Moving rooms as a server admin: through the Admin API, and as the old owner where that is allowed."""

from dataclasses import dataclass, field, replace

from synadmin.errors import NotFoundError, RefusedError, SynadminError, WouldLoseControlError
from synadmin.ids import RoomAlias, RoomId
from synadmin.power.level_changes import Edit
from synadmin.power.room import Goal, Reach, RoomView
from synadmin.power.steps import Refusal
from synadmin.recovery import change_levels, outcome
from synadmin.recovery.make_admin import Preview, Run, preview_rooms
from synadmin.recovery.outcome import StepTaken
from synadmin.recovery.room_control import control_of, loses_control
from synadmin.recovery.transfer_plan import (
    LOWER,
    RATE_LIMITED,
    Move,
    RoomTransfer,
    granted,
    is_over,
    last_edit,
    lowering,
    objection,
    outlook,
    over_message,
    waiting_for_rate_limit,
)
from synadmin.recovery.workspace import Recovery


@dataclass(slots=True)
class AsAdmin:
    """A transfer through the Admin API, and as the old owner where that is allowed.

    Attributes:
        recovery: the run.
        move: the old and the new owner.
        allow: how far it may go.
        leave_rooms: transfer even if no user of this server would have control afterwards.
    """

    recovery: Recovery
    move: Move
    allow: Reach
    leave_rooms: bool = False
    _previews: dict[str, Preview] = field(default_factory=dict)

    @property
    def _goal(self) -> Goal:
        """The goal of the first half: the new owner with control."""
        return Goal(target=self.move.new, caller=self.recovery.synapse.owner, allow=self.allow)

    def plan(self, room: RoomId | RoomAlias) -> RoomTransfer:
        """Read a room and plan its transfer; the demotion too, so that no impossible transfer is begun."""
        preview = next(iter(preview_rooms(self.recovery.observer, [room], self._goal)))
        result, observation = preview.result, preview.observation
        start = RoomTransfer(
            room=room,
            room_id=result.room_id,
            outcome=outcome.PLANNED,
            message=result.message,
            reason=result.reason,
            name=observation.details.name if observation.details else None,
        )
        if observation.view is None or result.room_id is None or isinstance(observation.answer, Refusal):
            return replace(start, outcome=outcome.REFUSED)
        try:
            view = self.view_of(result.room_id)
        except NotFoundError as error:
            return replace(start, outcome=outcome.REFUSED, reason="not-in-room", message=error.reason)
        start = replace(start, before=view, now=view)
        if is_over(view, self.move):
            return replace(start, outcome=outcome.DONE, message=over_message(self.move))
        self._previews[room] = preview
        return self._planned(start, view, preview)

    def _planned(self, start: RoomTransfer, view: RoomView, preview: Preview) -> RoomTransfer:
        """Return the plan of a room that needs changes, or why it is refused."""
        against = objection(view, self.move)
        if against is not None:
            return replace(start, outcome=outcome.REFUSED, reason=against[0], message=against[1])
        try:
            self._keep_control(view)
            planned = self._plan_demotion(granted(view, self.move))
        except WouldLoseControlError as error:
            message = f"{error}: {error.hint}."
            return replace(start, outcome=outcome.REFUSED, reason=error.reason, message=message)
        except RefusedError as error:
            hint = f" ({error.hint})" if error.hint else ""
            words = str(error).removeprefix("refused: ")
            message = f"the power of {self.move.old} could not be removed afterwards: {words}{hint}"
            reason = self._why_not(granted(view, self.move))
            return replace(start, outcome=outcome.REFUSED, reason=reason, message=message)
        steps = self._steps(view, preview, planned)
        return replace(start, message=outlook(view, self.move), steps=steps)

    def _steps(
        self, view: RoomView, preview: Preview, planned: change_levels.EditPlan
    ) -> tuple[StepTaken, ...]:
        """Return the steps: those of make-admin, the new owner's join, and the demotion of the old owner."""
        steps = [*preview.result.steps]
        joins = any(step.action == "join" and step.as_user == self.move.new for step in steps)
        if view.membership_of(self.move.new) != "join" and not joins:
            steps.append(StepTaken("join", self.move.new, f"Join the room as {self.move.new}."))
        if planned.actor is not None:
            how = planned.actor.text.removesuffix("set the levels.")
            lowered = lowering(granted(view, self.move), self.move)
            steps.append(StepTaken(LOWER, planned.actor.user, f"{how}{lowered}."))
        return tuple(steps)

    def _keep_control(self, view: RoomView) -> None:
        """Refuse a room with other local users, of whom none would have control afterwards.

        Raises:
            WouldLoseControlError: it is such a room, and ``leave_rooms`` is not set.
        """
        old, observer = self.move.old, self.recovery.observer
        stays = view.is_local(self.move.new) or view.levels.is_creator(old)
        if self.leave_rooms or stays or not view.has_control(old):
            return
        if loses_control(observer, control_of(observer, view.room_id), {old}):
            raise WouldLoseControlError(
                f"no user of this server would have control of the room when {old} has none",
                hint=change_levels.keep_control(view.room_id),
            )

    def grant(self, room_transfer: RoomTransfer) -> RoomTransfer:
        """Carry out what make-admin planned for the new owner."""
        result = Run(self.recovery, self._goal).carry_out(self._previews[room_transfer.room])
        if result.outcome in {outcome.FAILED, outcome.REFUSED}:
            raise SynadminError(result.message)
        if result.reason == RATE_LIMITED and result.membership_after != "invite":
            return waiting_for_rate_limit(room_transfer, self.move, None)
        steps = (*result.steps, *room_transfer.steps[len(result.steps) :])
        return replace(room_transfer, reason=None, steps=steps)

    def view_of(self, room_id: RoomId) -> RoomView:
        """Return a view of the room with both owners, read again."""
        observer = self.recovery.observer
        observer.forget(self.move.new, self.move.old)
        view = change_levels.view_to_edit(observer, room_id)
        users = (self.move.new, self.move.old)
        memberships = {user: observer.membership(user, room_id) for user in users}
        return replace(view, memberships={**view.memberships, **memberships})

    def demote(self, view: RoomView) -> None:
        """Lower the old owner, unless no local user would have control of the changed room."""
        self._keep_control(view)
        planned = self._plan_demotion(view)
        change_levels.carry_out(self.recovery, planned)

    def _plan_demotion(self, view: RoomView, allow: Reach | None = None) -> change_levels.EditPlan:
        edit = last_edit(view, self.move)
        if edit is None:
            return change_levels.EditPlan(view, Edit(), None)
        allow = self.allow if allow is None else allow
        try:
            return change_levels.plan(self.recovery.observer, view, edit, allow=allow, leave_rooms=True)
        except RefusedError:
            if view.levels.is_creator(self.move.old):
                # The edit would only raise the new owner further: the transfer does not need it.
                return change_levels.EditPlan(view, Edit(), None)
            raise

    def _why_not(self, view: RoomView) -> str:
        try:
            actor = self._plan_demotion(view, Reach.REACTIVATE).actor
        except RefusedError:
            actor = None
        return "insufficient-power" if actor is None else f"needs-{actor.reach}"
