"""Handing rooms over to another account, mostly one on another server: as a person moves house.

First the new owner gets the power and an invitation, in every room; then it comes in; only when it is
seen to have control does the old one give its power away. Where that could not be finished, the old
owner still has control.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from synadmin.client import Synapse
from synadmin.errors import (
    ConnectError,
    MatrixError,
    NotAuthenticatedError,
    NotFoundError,
    NotPermittedError,
    RateLimitedError,
    RefusedError,
    SynadminError,
    WouldLoseControlError,
)
from synadmin.ids import RoomAlias, RoomId, UserId, server_name_of
from synadmin.power import rules
from synadmin.power.level_changes import Edit
from synadmin.power.levels import LEVEL_WITHOUT_EVENT, POWER_LEVELS, format_level
from synadmin.power.room import Goal, Reach, RoomView
from synadmin.power.steps import Refusal
from synadmin.recovery import change_levels, outcome
from synadmin.recovery.make_admin import Preview, Run, look_ahead
from synadmin.recovery.member import Member
from synadmin.recovery.room_control import control_of, loses_control
from synadmin.recovery.transfer_plan import (
    LOWER,
    TOMBSTONE,
    Move,
    RoomTransfer,
    TransferStep,
    granted,
    is_over,
    lowering,
    objection,
    outlook,
    over_message,
    parting,
    step,
)

PARTLY: Final = "partly"
_RATE_LIMITED = "rate-limited"
_INSIDE = frozenset({"join", "invite"})
_RETRY = 30.0  # seconds, where the server does not say how long it holds an invitation back


class Way(Protocol):
    """How rooms are seen and changed: as a server admin, or as the old owner."""

    leave_rooms: bool
    """Also where no user of this server would have control afterwards; a member does not know that."""

    def look(self, room: RoomId | RoomAlias) -> RoomTransfer:
        """Look at a room and tell what can be done; nothing is changed."""

    def grant(self, room_transfer: RoomTransfer) -> RoomTransfer:
        """Give the new owner the power and an invitation; the result says where that is held back."""

    def see(self, room_id: RoomId) -> RoomView:
        """See the room as it is now, with both owners."""

    def demote(self, view: RoomView) -> None:
        """Take the old owner's power."""


@dataclass(slots=True)
class AsAdmin:
    """Through the Admin API, and as the old owner where that is allowed."""

    run: Run
    move: Move
    leave_rooms: bool = False
    _previews: dict[str, Preview] = field(default_factory=dict)

    def look(self, room: RoomId | RoomAlias) -> RoomTransfer:
        """Look at a room and plan; the demotion too, so that nothing is begun that cannot be ended."""
        preview = next(iter(look_ahead(self.run.recovery.observer, [room], self.run.goal)))
        result, observation = preview.result, preview.observation
        shell = RoomTransfer(
            room=room,
            room_id=result.room_id,
            outcome=outcome.PLANNED,
            message=result.message,
            reason=result.reason,
            name=observation.details.name if observation.details else None,
        )
        if observation.view is None or result.room_id is None or isinstance(observation.found, Refusal):
            return replace(shell, outcome=outcome.REFUSED)
        try:
            view = self.see(result.room_id)
        except NotFoundError as error:
            return replace(shell, outcome=outcome.REFUSED, reason="not-in-room", message=error.reason)
        shell = replace(shell, before=view, now=view)
        if is_over(view, self.move):
            return replace(shell, outcome=outcome.DONE, message=over_message(self.move))
        self._previews[room] = preview
        return self._planned(shell, view, preview)

    def _planned(self, shell: RoomTransfer, view: RoomView, preview: Preview) -> RoomTransfer:
        """Return the plan of a room in which there is something to be done, or why it is refused."""
        against = objection(view, self.move)
        if against is not None:
            return replace(shell, outcome=outcome.REFUSED, reason=against[0], message=against[1])
        try:
            self._keep_control(view)
            planned = self._parting(granted(view, self.move))
        except WouldLoseControlError as error:
            message = f"{error}: {error.hint}."
            return replace(shell, outcome=outcome.REFUSED, reason=error.reason, message=message)
        except RefusedError as error:
            hint = f" ({error.hint})" if error.hint else ""
            words = str(error).removeprefix("refused: ")
            message = f"the power of {self.move.old} could not be removed afterwards: {words}{hint}"
            reason = self._why_not(granted(view, self.move))
            return replace(shell, outcome=outcome.REFUSED, reason=reason, message=message)
        steps = self._steps(view, preview, planned)
        return replace(shell, message=outlook(view, self.move), steps=steps)

    def _steps(
        self, view: RoomView, preview: Preview, planned: change_levels.EditPlan
    ) -> tuple[TransferStep, ...]:
        """Return what make-admin does, how the new owner comes in, and who lowers the old one."""
        steps: list[TransferStep] = [taken.as_record() for taken in preview.result.steps]
        joins = any(one["action"] == "join" and one["as"] == self.move.new for one in steps)
        if view.membership_of(self.move.new) != "join" and not joins:
            steps.append(step("join", self.move.new, f"Join the room as {self.move.new}."))
        if planned.author is not None:
            how = planned.author.words.removesuffix("set the levels.")
            lowered = lowering(granted(view, self.move), self.move)
            steps.append(step(LOWER, planned.author.user, f"{how}{lowered}."))
        return tuple(steps)

    def _keep_control(self, view: RoomView) -> None:
        """Refuse a room where other local users are, and none of them would have control afterwards.

        Raises:
            WouldLoseControlError: it is such a room, and that was not asked for.
        """
        old, observer = self.move.old, self.run.recovery.observer
        stays = view.is_local(self.move.new) or view.levels.is_creator(old)
        if self.leave_rooms or stays or not view.has_control(old):
            return
        if loses_control(observer, control_of(observer, view.room_id), {old}):
            raise WouldLoseControlError(
                f"no user of this server would have control of the room when {old} has none",
                hint="give another user control first (`synadmin room make-admin`), or add --leave-rooms",
            )

    def grant(self, room_transfer: RoomTransfer) -> RoomTransfer:
        """Carry out what make-admin planned for the new owner."""
        result = self.run.carry_out(self._previews[room_transfer.room])
        if result.outcome in {outcome.FAILED, outcome.REFUSED}:
            raise SynadminError(result.message)
        if result.reason == _RATE_LIMITED and result.membership_after != "invite":
            return _held_back(room_transfer, self.move, None)
        made = tuple(taken.as_record() for taken in result.steps)
        return replace(room_transfer, reason=None, steps=(*made, *room_transfer.steps[len(made) :]))

    def see(self, room_id: RoomId) -> RoomView:
        """See the room with both owners, asked anew."""
        observer = self.run.recovery.observer
        observer.forget(self.move.new, self.move.old)
        view = change_levels.look(observer, room_id)
        users = (self.move.new, self.move.old)
        memberships = {user: observer.membership(user, room_id) for user in users}
        return replace(view, memberships={**view.memberships, **memberships})

    def demote(self, view: RoomView) -> None:
        """Lower the old owner, as whoever may, unless the room has changed so that it would be lost."""
        self._keep_control(view)
        planned = self._parting(view)
        change_levels.carry_out(self.run.recovery, planned)

    def _parting(self, view: RoomView, allow: Reach | None = None) -> change_levels.EditPlan:
        edit = parting(view, self.move)
        if edit is None:
            return change_levels.EditPlan(view, Edit(), None)
        allow = self.run.goal.allow if allow is None else allow
        try:
            return change_levels.plan(self.run.recovery.observer, view, edit, allow=allow, last=True)
        except RefusedError:
            if view.levels.is_creator(self.move.old):
                return change_levels.EditPlan(
                    view, Edit(), None
                )  # nothing is taken: it would be good to have
            raise

    def _why_not(self, view: RoomView) -> str:
        try:
            author = self._parting(view, Reach.REACTIVATE).author
        except RefusedError:
            author = None
        return "insufficient-power" if author is None else f"needs-{author.reach}"


@dataclass(slots=True)
class AsMember:
    """As the old owner, with nothing but its own token."""

    member: Member
    move: Move
    leave_rooms: bool = True

    def look(self, room: RoomId | RoomAlias) -> RoomTransfer:
        """Look at a room as a member, and tell whether this member can hand it over."""
        shell = RoomTransfer(room=room, room_id=None, outcome=outcome.REFUSED, message="")
        try:
            room_id = self.member.resolved(room)
            view = self.see(room_id)
        except MatrixError as error:
            if isinstance(error, NotAuthenticatedError):
                raise
            return replace(shell, reason="not-in-room", message=f"{room} cannot be read: {error}")
        shell = replace(shell, room_id=room_id, before=view, now=view, name=self.member.name(room_id))
        if is_over(view, self.move):
            return replace(shell, outcome=outcome.DONE, message=over_message(self.move))
        if not view.has_control(self.move.old):
            message = f"{self.move.old} does not have control of it: level {view.levels.control} is needed"
            return replace(shell, reason="insufficient-power", message=message)
        if view.membership_of(self.move.new) == "ban":
            message = f"{self.move.new} is banned from the room: lift the ban first"
            return replace(shell, reason="target-banned", message=message)
        content = self._granting(view)
        forbidden = content and rules.changing_power_levels(view, self.move.old, content)
        if not forbidden and view.membership_of(self.move.new) not in _INSIDE:
            forbidden = rules.inviting(view, self.move.old, self.move.new)
        if forbidden:
            return replace(shell, reason="insufficient-power", message=str(forbidden))
        steps = self._steps(view, content)
        return replace(shell, outcome=outcome.PLANNED, message=outlook(view, self.move), steps=steps)

    def _steps(self, view: RoomView, content: dict[str, Any] | None) -> tuple[TransferStep, ...]:
        old, new = self.move.old, self.move.new
        steps = []
        if content is not None:
            steps.append(step(LOWER, old, f"As {old} give {new} level {content['users'][new]}."))
        if view.membership_of(new) not in _INSIDE:
            steps.append(step("invite", old, f"As {old} invite {new}."))
        if view.membership_of(new) != "join":
            steps.append(step("join", new, f"Join the room as {new}."))
        lowered = lowering(granted(view, self.move), self.move)
        return (*steps, step(LOWER, old, f"As {old}: {lowered}.")) if lowered else tuple(steps)

    def grant(self, room_transfer: RoomTransfer) -> RoomTransfer:
        """Set the level, unless it is there, and invite."""
        view = room_transfer.now
        if view is None:
            return room_transfer
        synapse, content = self.member.synapse, self._granting(view)
        if content is not None:
            with synapse.transport.recording(
                before={"room_id": view.room_id, "power_levels": view.power_levels}
            ):
                synapse.client_server.send_state(view.room_id, POWER_LEVELS, content)
            room_transfer = replace(
                room_transfer,
                steps=({**room_transfer.steps[0], "status": outcome.DONE}, *room_transfer.steps[1:]),
            )
        if view.membership_of(self.move.new) not in _INSIDE:
            try:
                synapse.client_server.invite(view.room_id, self.move.new)
            except RateLimitedError as error:
                return _held_back(room_transfer, self.move, error.retry_after)
            room_transfer = room_transfer.taken("invite")
        return replace(room_transfer, reason=None)

    def see(self, room_id: RoomId) -> RoomView:
        """See the room as a member does."""
        return self.member.look(room_id, self.move.new)

    def demote(self, view: RoomView) -> None:
        """Lower oneself, which is always allowed."""
        edit = parting(view, self.move)
        if edit is None:
            return
        synapse = self.member.synapse
        with synapse.transport.recording(before={"room_id": view.room_id, "power_levels": view.power_levels}):
            synapse.client_server.send_state(view.room_id, POWER_LEVELS, edit.applied(view))

    def _granting(self, view: RoomView) -> dict[str, Any] | None:
        levels = view.levels
        if levels.level_of(self.move.new) >= levels.control:
            return None
        own = levels.level_of(self.move.old)
        level = max(LEVEL_WITHOUT_EVENT, levels.control) if levels.is_creator(self.move.old) else own
        return levels.granting(self.move.new, level)


def missing_account(synapse: Synapse, move: Move) -> str | None:
    """Return why a room cannot be handed over at all: one of the two accounts does not exist.

    What cannot be found out, because the other server does not answer, speaks against nothing.
    """
    home = server_name_of(synapse.owner)
    if move.old != synapse.owner and server_name_of(move.old) == home:
        try:
            synapse.users.get(move.old)
        except NotFoundError:
            return f"{move.old} does not exist: name the owner with --old-owner"
    # Of a local new owner it is looked at in each room: an account may have no profile.
    for user in (move.old, move.new):
        if server_name_of(user) == home:
            continue
        try:
            synapse.client_server.profile(user)
        except NotFoundError:
            return f"{server_name_of(user)} knows no account {user}"
        except (MatrixError, ConnectError):
            continue
    return None


def refused(room: RoomId | RoomAlias, message: str) -> RoomTransfer:
    """Return the record of a room that was not looked at."""
    room_id = RoomId(room) if room.startswith("!") else None
    reason = "target-unknown"
    return RoomTransfer(room=room, room_id=room_id, outcome=outcome.REFUSED, reason=reason, message=message)


def _held_back(room_transfer: RoomTransfer, move: Move, seconds: float | None) -> RoomTransfer:
    """Say that the server's rate limits hold the invitation back."""
    wait = "" if seconds is None else f" for {seconds:.0f} s"
    message = (
        f"{move.new} has the level, but the server's rate limits delay the invitation{wait}; "
        f"{move.old} keeps control until {move.new} joins."
    )
    return replace(
        room_transfer,
        outcome=outcome.PENDING,
        reason=_RATE_LIMITED,
        message=message,
        not_before=time.monotonic() + (_RETRY if seconds is None else seconds),
    )


def hand_over(
    way: Way,
    room_transfers: Sequence[RoomTransfer],
    move: Move,
    *,
    accept: Callable[[RoomId], None] | None,
    pause: Callable[[int], bool],
) -> Iterator[RoomTransfer]:
    """Hand rooms over, yielding each as it is finished.

    Args:
        way: how rooms are seen and changed.
        room_transfers: rooms that were looked at.
        move: from whom to whom.
        accept: accepts the invitation as the new owner; None where the new owner does so by itself.
        pause: waits a little for as many rooms as are left; false where there is no more waiting.
    """
    waiting: list[RoomTransfer] = []
    for room_transfer in room_transfers:
        if room_transfer.outcome != outcome.PLANNED or room_transfer.room_id is None:
            yield room_transfer
            continue
        try:
            waiting.append(way.grant(room_transfer))
        except NotAuthenticatedError:
            raise
        except SynadminError as error:
            yield _failed(way, room_transfer, error)
    while waiting:
        still = []
        for room_transfer in waiting:
            finished = _finished(way, room_transfer, move, accept)
            if finished.outcome == outcome.PENDING:
                still.append(finished)
            else:
                yield finished
        waiting = still
        if waiting and not pause(len(waiting)):
            break
    yield from waiting


def _finished(
    way: Way,
    room_transfer: RoomTransfer,
    move: Move,
    accept: Callable[[RoomId], None] | None,
) -> RoomTransfer:
    """Take the next step with a room whose new owner was invited: in, control seen, the old one lowered."""
    room_id = room_transfer.room_id
    if room_id is None:
        return room_transfer
    try:
        view = way.see(room_id)
        room_transfer = replace(room_transfer, now=view)
        is_time = time.monotonic() >= room_transfer.not_before
        if room_transfer.reason == _RATE_LIMITED and is_time and view.membership_of(move.new) not in _INSIDE:
            room_transfer = way.grant(room_transfer)
            view = way.see(room_id)
        refused: SynadminError | None = None
        if accept is not None and is_time and view.membership_of(move.new) != "join":
            refused = _accepted(accept, room_id)
            view = way.see(room_id)
        room_transfer = replace(room_transfer, now=view)
        if view.membership_of(move.new) != "join":
            return _pending(room_transfer, view, move, refused)
        room_transfer = room_transfer.taken("join")
        if view.has_control(move.new):
            way.demote(view)
            room_transfer = room_transfer.taken(LOWER)
        return _concluded(replace(room_transfer, now=way.see(room_id)), move)
    except NotAuthenticatedError:
        raise
    except SynadminError as error:
        return _failed(way, room_transfer, error)


def _accepted(accept: Callable[[RoomId], None], room_id: RoomId) -> SynadminError | None:
    """Come in as the new owner; return why that was not to be yet.

    Raises:
        NotAuthenticatedError: the new owner's token has become invalid.
    """
    try:
        accept(room_id)
    except NotAuthenticatedError:
        raise
    except (MatrixError, ConnectError) as error:
        return error  # the invitation may still be on its way between the servers
    return None


def _pending(
    room_transfer: RoomTransfer, view: RoomView, move: Move, error: SynadminError | None
) -> RoomTransfer:
    """Say what the new owner has yet to do."""
    pending = replace(room_transfer, outcome=outcome.PENDING)
    if room_transfer.reason == _RATE_LIMITED and error is None:
        return pending
    if isinstance(error, RateLimitedError):
        wait = _RETRY if error.retry_after is None else error.retry_after
        pending = replace(pending, reason=_RATE_LIMITED, not_before=time.monotonic() + wait)
    how = "come in"
    if view.membership_of(move.new) == "invite":
        how = "accept the invitation"
    elif view.join_rule == "public":
        how = "join it (the room is public)"
    because = f" ({error})" if error is not None else ""
    message = f"{move.new} has to {how}{because}; {move.old} keeps control until then."
    return replace(pending, message=message)


def _concluded(room_transfer: RoomTransfer, move: Move) -> RoomTransfer:
    """Say what is so in the end, from what was read back."""
    view = room_transfer.now
    if view is None or not view.has_control(move.new):
        holds = "" if view is None else f", and has level {format_level(view.levels.level_of(move.new))}"
        message = (
            f"{move.new} is in the room{holds}, and does not have control. The level of {move.old} was "
            f"not changed."
        )
        return replace(room_transfer, outcome=outcome.FAILED, reason="insufficient-power", message=message)
    level = view.levels.level_of(move.old)
    if view.levels.is_creator(move.old):
        message = (
            f"{move.new} has control, but {move.old} created the room and keeps the power of a "
            f"creator: in version {view.version} it cannot be removed."
        )
        if view.levels.level_of(move.new) >= view.levels.needed(TOMBSTONE):
            message += f" If {move.new} upgrades the room, only {move.new} is a creator of the new one."
        return replace(room_transfer, outcome=PARTLY, reason="creator-stays", message=message)
    if level > max(view.levels.users_default, 0):
        message = f"{move.new} has control, but {move.old} still has level {format_level(level)}."
        return replace(room_transfer, outcome=PARTLY, reason="server-error", message=message)
    message = f"{move.new} has control; {move.old} has level {format_level(level)}."
    return replace(room_transfer, outcome=outcome.DONE, reason=None, message=message)


def _failed(way: Way, room_transfer: RoomTransfer, error: SynadminError) -> RoomTransfer:
    """Say what went wrong, and what the room holds now, where that can be seen."""
    failed = replace(room_transfer, outcome=outcome.FAILED, message=str(error), reason=_code(error))
    if room_transfer.room_id is None:
        return failed
    try:
        return replace(failed, now=way.see(room_transfer.room_id))
    except SynadminError:
        return failed


def _code(error: SynadminError) -> str:
    if isinstance(error, RateLimitedError):
        return _RATE_LIMITED
    if isinstance(error, NotPermittedError):
        return "not-permitted"
    return "unknown-room" if isinstance(error, NotFoundError) else "server-error"


def accepting(new: Synapse, servers: Sequence[str]) -> Callable[[RoomId], None]:
    """Return what accepts an invitation with the new owner's own token."""

    def accept(room_id: RoomId) -> None:
        new.client_server.join(room_id, via=list(servers))

    return accept


def goal(move: Move, caller: UserId, allow: Reach) -> Goal:
    """Return the goal of the first half: the new owner with control."""
    return Goal(target=move.new, caller=caller, allow=allow)
