"""Handing rooms over to another account, mostly one on another server: as a person moves house.

First the new owner gets the power and an invitation, in every room; then it comes in; only when it is
seen to have control does the old one give its power away. Where that could not be finished, the old
owner still has control.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, Protocol

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

PARTLY: Final = "partly"
_RATE_LIMITED = "rate-limited"
_INSIDE = frozenset({"join", "invite"})
_RETRY = 30.0  # seconds, where the server does not say how long it holds an invitation back
_TOMBSTONE = "m.room.tombstone"


@dataclass(frozen=True, slots=True)
class Move:
    """What is asked for.

    Attributes:
        new: who is to have the rooms.
        old: who has them now, and is to have no power afterwards.
    """

    new: UserId
    old: UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomTransfer:
    """What became of one room, so far."""

    room: str
    room_id: RoomId | None
    outcome: outcome.State | Literal["partly"]
    message: str
    reason: str | None = None
    name: str | None = None
    before: RoomView | None = None
    now: RoomView | None = None
    not_before: float = 0.0
    """By the monotonic clock: what the rate limits held back is not tried again earlier."""

    def as_record(self, move: Move) -> dict[str, Any]:
        """Return it as scripts get it."""
        return {
            "room_id": self.room_id,
            "room": {"name": self.name, "version": self.before.version if self.before else None},
            "from": move.old,
            "to": move.new,
            "outcome": self.outcome,
            "reason": self.reason,
            "message": self.message,
            "power_level": {
                "needed": format_level(self.now.levels.control) if self.now else None,
                "from": self._levels(move.old),
                "to": self._levels(move.new),
            },
            "membership": {
                "before": self.before.membership_of(move.new) if self.before else None,
                "after": self.now.membership_of(move.new) if self.now else None,
            },
        }

    def _levels(self, user: UserId) -> dict[str, int | str | None]:
        return {
            "before": format_level(self.before.levels.level_of(user)) if self.before else None,
            "after": format_level(self.now.levels.level_of(user)) if self.now else None,
        }


class Way(Protocol):
    """How rooms are seen and changed: as a server admin, or as the old owner."""

    def look(self, room: RoomId | RoomAlias) -> RoomTransfer:
        """Look at a room and tell what can be done; nothing is changed."""

    def grant(self, room_transfer: RoomTransfer) -> RoomTransfer:
        """Give the new owner the power and an invitation; it is told where the invitation is held back."""

    def see(self, room_id: RoomId) -> RoomView:
        """See the room as it is now, with both owners."""

    def demote(self, view: RoomView) -> None:
        """Take the old owner's power."""


@dataclass(slots=True)
class AsAdmin:
    """Through the Admin API, and as the old owner where that is allowed."""

    run: Run
    move: Move
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
        if _is_over(view, self.move):
            return replace(shell, outcome=outcome.DONE, message=_over(self.move))
        against = _against(view, self.move)
        if against is not None:
            return replace(shell, outcome=outcome.REFUSED, reason=against[0], message=against[1])
        try:
            self._parting(_granted(view, self.move))
        except RefusedError as error:
            hint = f" ({error.hint})" if error.hint else ""
            words = str(error).removeprefix("not done: ")
            message = f"{self.move.old} could not be lowered afterwards: {words}{hint}"
            reason = self._why_not(_granted(view, self.move))
            return replace(shell, outcome=outcome.REFUSED, reason=reason, message=message)
        self._previews[room] = preview
        return replace(shell, message=_outlook(view, self.move))

    def grant(self, room_transfer: RoomTransfer) -> RoomTransfer:
        """Carry out what make-admin planned for the new owner."""
        result = self.run.carry_out(self._previews[room_transfer.room])
        if result.outcome in {outcome.FAILED, outcome.REFUSED}:
            raise SynadminError(result.message)
        if result.reason == _RATE_LIMITED and result.membership_after != "invite":
            return _held_back(room_transfer, self.move, None)
        return replace(room_transfer, reason=None)

    def see(self, room_id: RoomId) -> RoomView:
        """See the room with both owners, asked anew."""
        observer = self.run.recovery.observer
        observer.forget(self.move.new, self.move.old)
        view = change_levels.look(observer, room_id)
        users = (self.move.new, self.move.old)
        memberships = {user: observer.membership(user, room_id) for user in users}
        return replace(view, memberships={**view.memberships, **memberships})

    def demote(self, view: RoomView) -> None:
        """Lower the old owner, as whoever may."""
        planned = self._parting(view)
        change_levels.carry_out(self.run.recovery, planned)

    def _parting(self, view: RoomView, allow: Reach | None = None) -> change_levels.EditPlan:
        edit = _parting(view, self.move)
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


@dataclass(frozen=True, slots=True)
class AsMember:
    """As the old owner, with nothing but its own token."""

    member: Member
    move: Move

    def look(self, room: RoomId | RoomAlias) -> RoomTransfer:
        """Look at a room as a member, and tell whether this member can hand it over."""
        shell = RoomTransfer(room=room, room_id=None, outcome=outcome.REFUSED, message="")
        try:
            room_id = self.member.resolved(room)
            view = self.see(room_id)
        except MatrixError as error:
            if isinstance(error, NotAuthenticatedError):
                raise
            return replace(shell, reason="not-in-room", message=f"{room} cannot be seen: {error}")
        shell = replace(shell, room_id=room_id, before=view, now=view, name=self.member.name(room_id))
        if _is_over(view, self.move):
            return replace(shell, outcome=outcome.DONE, message=_over(self.move))
        if not view.has_control(self.move.old):
            message = f"{self.move.old} has no control of it: level {view.levels.control} is needed"
            return replace(shell, reason="insufficient-power", message=message)
        if view.membership_of(self.move.new) == "ban":
            message = f"{self.move.new} is banned from it: lift the ban first"
            return replace(shell, reason="target-banned", message=message)
        content = self._granting(view)
        forbidden = content and rules.changing_power_levels(view, self.move.old, content)
        if not forbidden and view.membership_of(self.move.new) not in _INSIDE:
            forbidden = rules.inviting(view, self.move.old, self.move.new)
        if forbidden:
            return replace(shell, reason="insufficient-power", message=str(forbidden))
        return replace(shell, outcome=outcome.PLANNED, message=_outlook(view, self.move))

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
        if view.membership_of(self.move.new) not in _INSIDE:
            try:
                synapse.client_server.invite(view.room_id, self.move.new)
            except RateLimitedError as error:
                return _held_back(room_transfer, self.move, error.retry_after)
        return replace(room_transfer, reason=None)

    def see(self, room_id: RoomId) -> RoomView:
        """See the room as a member does."""
        return self.member.look(room_id, self.move.new)

    def demote(self, view: RoomView) -> None:
        """Lower oneself, which is always allowed."""
        edit = _parting(view, self.move)
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


def _against(view: RoomView, move: Move) -> tuple[str, str] | None:
    """Return why a room is not handed over, as a reason and a sentence."""
    if view.levels.level_of(move.old) < view.levels.control and view.membership_of(move.old) != "join":
        message = f"{move.old} is not in it and has no power to give away: name its owner with --from"
        return "insufficient-power", message
    if view.membership_of(move.new) == "ban":
        # It could be lifted in somebody's name, but whoever banned the new owner had a reason.
        return "target-banned", f"{move.new} is banned from it: lift the ban first"
    return None


def missing_account(synapse: Synapse, move: Move) -> str | None:
    """Return why a room cannot be handed over at all: one of the two accounts does not exist.

    What cannot be found out, because the other server does not answer, speaks against nothing.
    """
    home = server_name_of(synapse.owner)
    if move.old != synapse.owner and server_name_of(move.old) == home:
        try:
            synapse.users.get(move.old)
        except NotFoundError:
            return f"{move.old} does not exist: name the owner with --from"
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
        f"{move.new} has the power, but the server's rate limits hold the invitation back{wait}; "
        f"{move.old} keeps control until {move.new} is in."
    )
    return replace(
        room_transfer,
        outcome=outcome.PENDING,
        reason=_RATE_LIMITED,
        message=message,
        not_before=time.monotonic() + (_RETRY if seconds is None else seconds),
    )


def _is_over(view: RoomView, move: Move) -> bool:
    """Tell whether the new owner has control and the old one nothing that could be taken."""
    return (
        view.has_control(move.new) and _parting(view, move) is None and not view.levels.is_creator(move.old)
    )


def _over(move: Move) -> str:
    return f"{move.new} has control, and {move.old} has no power, already."


def _outlook(view: RoomView, move: Move) -> str:
    """Say what will be so."""
    if view.levels.is_creator(move.old):
        rest = (
            f"{move.old} created the room and stays above every number (version {view.version}): nobody "
            "can take that"
        )
    else:
        rest = f"{move.old} gives its power away then"
    if view.has_control(move.new):
        return f"{move.new} has control already; {rest}."
    return f"{move.new} gets power and an invitation, and comes in; {rest}."


def _granted(view: RoomView, move: Move) -> RoomView:
    """Return the room as it will be when the new owner has come in with control."""
    level = max(view.levels.control, view.levels.level_of(move.new))
    if not view.levels.is_creator(move.new):
        view = replace(view, power_levels=view.levels.granting(move.new, level))
    return replace(view, memberships={**view.memberships, move.new: "join"})


def _parting(view: RoomView, move: Move) -> Edit | None:
    """Return the edit that ends it; None where nothing is left to be done.

    It takes the old owner's power. Where that cannot be, the room's creator standing above every number,
    it gives the new one what an upgrade of the room takes: whoever upgrades it creates the next one.
    """
    levels = view.levels
    if levels.is_creator(move.old):
        needed = levels.needed(_TOMBSTONE)
        return Edit(users={move.new: needed}) if levels.level_of(move.new) < needed else None
    held = levels.level_of(move.old)
    if held <= max(levels.users_default, 0):
        return None
    users: dict[UserId, int | None] = {move.old: None if levels.users_default <= 0 else 0}
    if levels.level_of(move.new) < held:
        users[move.new] = held  # control may take less than what the old one had
    return Edit(users=users)


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
        if view.has_control(move.new):
            way.demote(view)
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
    message = f"{move.new} has yet to {how}{because}; {move.old} keeps control until then."
    return replace(pending, message=message)


def _concluded(room_transfer: RoomTransfer, move: Move) -> RoomTransfer:
    """Say what is so in the end, from what was read back."""
    view = room_transfer.now
    if view is None or not view.has_control(move.new):
        holds = "" if view is None else f", and has level {format_level(view.levels.level_of(move.new))}"
        message = f"{move.new} is in the room{holds}: that is no control. {move.old} was not lowered."
        return replace(room_transfer, outcome=outcome.FAILED, reason="insufficient-power", message=message)
    level = view.levels.level_of(move.old)
    if view.levels.is_creator(move.old):
        message = (
            f"{move.new} has control, but {move.old} created the room, and in version {view.version} a "
            "creator stands above every number: nobody can take that."
        )
        if view.levels.level_of(move.new) >= view.levels.needed(_TOMBSTONE):
            message += f" If {move.new} upgrades the room, the next one is theirs alone."
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
