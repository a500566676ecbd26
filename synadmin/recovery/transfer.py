"""Handing rooms over to another account, mostly one on another server: as a person moves house.

First the new owner gets the power and an invitation, in every room; then it comes in; only when it is
seen to have control does the old one give its power away. Where that could not be finished, the old
owner still has control.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from synadmin.client import Synapse
from synadmin.errors import (
    ConnectError,
    MatrixError,
    NotAuthenticatedError,
    NotFoundError,
    RefusedError,
    SynadminError,
)
from synadmin.ids import RoomAlias, RoomId, UserId
from synadmin.power import rules
from synadmin.power.edit import Edit
from synadmin.power.levels import LEVEL_WITHOUT_EVENT, POWER_LEVELS, shown
from synadmin.power.room import Reach, RoomView, Wish
from synadmin.power.steps import Refusal
from synadmin.recovery import edit as editing
from synadmin.recovery import outcome
from synadmin.recovery.execute import Prospect, Run, look_ahead
from synadmin.recovery.member import Member

PARTLY = "partly"


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
class Handover:
    """What became of one room, so far."""

    room: str
    room_id: RoomId | None
    outcome: str
    message: str
    reason: str | None = None
    name: str | None = None
    before: RoomView | None = None
    now: RoomView | None = None

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
                "needed": shown(self.now.levels.control) if self.now else None,
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
            "before": shown(self.before.levels.level_of(user)) if self.before else None,
            "after": shown(self.now.levels.level_of(user)) if self.now else None,
        }


class Way(Protocol):
    """How rooms are seen and changed: as a server admin, or as the old owner."""

    def look(self, room: RoomId | RoomAlias) -> Handover:
        """Look at a room and tell what can be done; nothing is changed."""

    def give(self, handover: Handover) -> None:
        """Give the new owner the power and an invitation."""

    def see(self, room_id: RoomId) -> RoomView:
        """See the room as it is now, with both owners."""

    def take(self, view: RoomView) -> None:
        """Take the old owner's power."""


@dataclass(slots=True)
class AsAdmin:
    """Through the Admin API, and as the old owner where that is allowed."""

    run: Run
    move: Move
    _prospects: dict[str, Prospect] = field(default_factory=dict)

    def look(self, room: RoomId | RoomAlias) -> Handover:
        """Look at a room and plan; the demotion too, so that nothing is begun that cannot be ended."""
        prospect = next(iter(look_ahead(self.run.observer, [room], self.run.wish)))
        result, sight = prospect.result, prospect.sight
        shell = Handover(
            room=room,
            room_id=result.room_id,
            outcome=outcome.PLANNED,
            message=result.message,
            reason=result.reason,
            name=sight.details.name if sight.details else None,
        )
        if sight.view is None or result.room_id is None or isinstance(sight.found, Refusal):
            return replace(shell, outcome=outcome.REFUSED)
        view = self.see(result.room_id)
        shell = replace(shell, before=view, now=view)
        try:
            self._demotion(_granted(view, self.move))
        except RefusedError as error:
            hint = f" ({error.hint})" if error.hint else ""
            message = f"{self.move.old} could not be lowered afterwards: {error}{hint}"
            return replace(shell, outcome=outcome.REFUSED, reason="needs-impersonate", message=message)
        self._prospects[room] = prospect
        return replace(shell, message=_outlook(view, self.move))

    def give(self, handover: Handover) -> None:
        """Carry out what make-admin planned for the new owner."""
        result = self.run.carry_out(self._prospects[handover.room])
        if result.outcome in {outcome.FAILED, outcome.REFUSED}:
            raise SynadminError(result.message)

    def see(self, room_id: RoomId) -> RoomView:
        """See the room with both owners, asked anew."""
        observer = self.run.observer
        observer.forget(self.move.new, self.move.old)
        view = editing.look(observer, room_id)
        users = (self.move.new, self.move.old)
        memberships = {user: observer.membership(user, room_id) for user in users}
        return replace(view, memberships={**view.memberships, **memberships})

    def take(self, view: RoomView) -> None:
        """Lower the old owner, as whoever may."""
        planned = self._demotion(view)
        editing.carry_out(self.run.observer, self.run.sessions, self.run.temporary, planned)

    def _demotion(self, view: RoomView) -> editing.EditPlan:
        edit = _lowering(view, self.move.old)
        if edit is None:
            return editing.EditPlan(view, Edit(), None)
        return editing.plan(self.run.observer, view, edit, allow=self.run.wish.allow, last=True)


@dataclass(frozen=True, slots=True)
class AsMember:
    """As the old owner, with nothing but its own token."""

    member: Member
    move: Move

    def look(self, room: RoomId | RoomAlias) -> Handover:
        """Look at a room as a member, and tell whether this member can hand it over."""
        shell = Handover(room=room, room_id=None, outcome=outcome.REFUSED, message="")
        try:
            room_id = self.member.resolved(room)
            view = self.see(room_id)
        except MatrixError as error:
            if isinstance(error, NotAuthenticatedError):
                raise
            return replace(shell, reason="not-in-room", message=f"{room} cannot be seen: {error}")
        shell = replace(shell, room_id=room_id, before=view, now=view, name=self.member.name(room_id))
        if _is_over(view, self.move):
            message = f"{self.move.new} has control, and {self.move.old} has no power, already"
            return replace(shell, outcome=outcome.DONE, message=message)
        if not view.has_control(self.move.old):
            message = f"{self.move.old} has no control of it (level {view.levels.control} is needed)"
            return replace(shell, reason="insufficient-power", message=message)
        if view.membership_of(self.move.new) == "ban":
            return replace(shell, reason="target-banned", message=f"{self.move.new} is banned from it")
        content = self._granting(view)
        forbidden = content and rules.changing_power_levels(view, self.move.old, content)
        if forbidden or rules.closed_to(view, self.move.new):
            message = str(forbidden) if forbidden else "the room is closed to other servers"
            return replace(shell, reason="insufficient-power", message=message)
        return replace(
            shell, outcome=outcome.PLANNED, message=f"{self.move.new} gets power and an invitation."
        )

    def give(self, handover: Handover) -> None:
        """Set the level and invite."""
        view = handover.before
        if view is None:
            return
        synapse, content = self.member.synapse, self._granting(view)
        if content is not None:
            with synapse.transport.noting(
                before={"room_id": view.room_id, "power_levels": view.power_levels}
            ):
                synapse.client_server.send_state(view.room_id, POWER_LEVELS, content)
        if view.membership_of(self.move.new) not in {"join", "invite"}:
            synapse.client_server.invite(view.room_id, self.move.new)

    def see(self, room_id: RoomId) -> RoomView:
        """See the room as a member does."""
        return self.member.look(room_id, self.move.new)

    def take(self, view: RoomView) -> None:
        """Lower oneself, which is always allowed."""
        edit = _lowering(view, self.move.old)
        if edit is None:
            return
        synapse = self.member.synapse
        with synapse.transport.noting(before={"room_id": view.room_id, "power_levels": view.power_levels}):
            synapse.client_server.send_state(view.room_id, POWER_LEVELS, edit.applied(view))

    def _granting(self, view: RoomView) -> dict[str, Any] | None:
        levels = view.levels
        if levels.level_of(self.move.new) >= levels.control:
            return None
        own = levels.level_of(self.move.old)
        level = max(LEVEL_WITHOUT_EVENT, levels.control) if levels.is_creator(self.move.old) else own
        return levels.granting(self.move.new, level)


def _is_over(view: RoomView, move: Move) -> bool:
    """Tell whether the new owner has control and the old one nothing that could be taken."""
    is_lowered = _lowering(view, move.old) is None and not view.levels.is_creator(move.old)
    return view.has_control(move.new) and is_lowered


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


def _lowering(view: RoomView, old: UserId) -> Edit | None:
    """Return the edit that takes the old owner's power; None where it has none that can be taken."""
    levels = view.levels
    if levels.is_creator(old) or levels.level_of(old) <= max(levels.users_default, 0):
        return None
    return Edit(users={old: None if levels.users_default <= 0 else 0})


def hand_over(
    way: Way,
    handovers: Sequence[Handover],
    move: Move,
    *,
    accept: Callable[[RoomId], None] | None,
    pause: Callable[[int], bool],
) -> Iterator[Handover]:
    """Hand rooms over, yielding each as it is finished.

    Args:
        way: how rooms are seen and changed.
        handovers: rooms that were looked at.
        move: from whom to whom.
        accept: accepts the invitation as the new owner; None where the new owner does so by itself.
        pause: waits a little for as many rooms as are left; false where there is no more waiting.
    """
    waiting: list[Handover] = []
    for handover in handovers:
        if handover.outcome != outcome.PLANNED or handover.room_id is None:
            yield handover
            continue
        try:
            way.give(handover)
        except NotAuthenticatedError:
            raise
        except SynadminError as error:
            yield _read(
                way, replace(handover, outcome=outcome.FAILED, message=str(error), reason=_code(error))
            )
        else:
            waiting.append(handover)
    while waiting:
        still = []
        for handover in waiting:
            finished = _finished(way, handover, move, accept)
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
    handover: Handover,
    move: Move,
    accept: Callable[[RoomId], None] | None,
) -> Handover:
    """Take the next step with a room whose new owner was invited: in, control seen, the old one lowered."""
    room_id = handover.room_id
    if room_id is None:
        return handover
    try:
        view = way.see(room_id)
        if accept is not None and view.membership_of(move.new) != "join":
            accept(room_id)
            view = way.see(room_id)
        if not view.has_control(move.new):
            message = f"{move.new} has yet to come in; {move.old} keeps control until then."
            return replace(handover, outcome=outcome.PENDING, now=view, message=message)
        way.take(view)
        return _concluded(replace(handover, now=way.see(room_id)), move)
    except NotAuthenticatedError:
        raise
    except SynadminError as error:
        if isinstance(error, (MatrixError, ConnectError)) and accept is not None and not handover.reason:
            # The invitation may still be on its way between the servers.
            return replace(handover, outcome=outcome.PENDING, message=str(error))
        return _read(way, replace(handover, outcome=outcome.FAILED, message=str(error), reason=_code(error)))


def _concluded(handover: Handover, move: Move) -> Handover:
    view = handover.now
    if view is None or not view.has_control(move.new):
        return replace(handover, outcome=outcome.FAILED, reason="server-error", message="it does not show")
    level = view.levels.level_of(move.old)
    if view.levels.is_creator(move.old):
        message = (
            f"{move.new} has control, but {move.old} created the room, and in version {view.version} a "
            "creator stands above every number: nobody can take that. Upgrading the room can."
        )
        return replace(handover, outcome=PARTLY, reason="creator-stays", message=message)
    if level > max(view.levels.users_default, 0):
        message = f"{move.new} has control, but {move.old} still has level {shown(level)}."
        return replace(handover, outcome=PARTLY, reason="server-error", message=message)
    message = f"{move.new} has control; {move.old} has level {shown(level)}."
    return replace(handover, outcome=outcome.DONE, reason=None, message=message)


def _read(way: Way, handover: Handover) -> Handover:
    if handover.room_id is None:
        return handover
    try:
        return replace(handover, now=way.see(handover.room_id))
    except SynadminError:
        return handover


def _code(error: SynadminError) -> str:
    if isinstance(error, NotFoundError):
        return "unknown-room"
    return "server-error"


def accepting(new: Synapse, servers: Sequence[str]) -> Callable[[RoomId], None]:
    """Return what accepts an invitation with the new owner's own token."""

    def accept(room_id: RoomId) -> None:
        new.client_server.join(room_id, via=list(servers))

    return accept


def wish(move: Move, caller: UserId, allow: Reach) -> Wish:
    """Return the wish behind the first half: the new owner with control."""
    return Wish(target=move.new, caller=caller, allow=allow)
