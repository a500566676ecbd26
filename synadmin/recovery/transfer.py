"""Transferring rooms to another account, mostly one on another server.

First the new owner gets power and an invitation in every room, and joins. Only when it was read back that
the new owner has control, the old owner's power is removed. After an interruption, the old owner still has
control.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from synadmin.client import Synapse
from synadmin.errors import (
    ConnectError,
    MatrixError,
    NotAuthenticatedError,
    NotFoundError,
    NotPermittedError,
    RateLimitedError,
    SynadminError,
)
from synadmin.ids import RoomAlias, RoomId, server_name_of
from synadmin.power.events import TOMBSTONE
from synadmin.power.levels import format_level
from synadmin.power.room import RoomView
from synadmin.recovery import outcome
from synadmin.recovery.make_admin import TokenEndedError
from synadmin.recovery.transfer_plan import (
    INSIDE,
    LOWER,
    RATE_LIMITED,
    RETRY,
    Move,
    RoomTransfer,
    has_power,
)


class Way(Protocol):
    """The protocol of a transfer's requests: as a server admin, or as the old owner."""

    leave_rooms: bool
    """Transfer even if no user of this server would have control afterwards; a member cannot know this."""

    def plan(self, room: RoomId | RoomAlias) -> RoomTransfer:
        """Look at a room and plan its transfer; nothing is changed."""

    def grant(self, room_transfer: RoomTransfer) -> RoomTransfer:
        """Give the new owner the power and an invitation; the result says if rate limits delay them."""

    def view_of(self, room_id: RoomId) -> RoomView:
        """Return a view of the room as it is now, with both owners."""

    def demote(self, view: RoomView) -> None:
        """Remove the old owner's power."""


def missing_account(synapse: Synapse, move: Move) -> str | None:
    """Return why a room cannot be handed over: one of the two accounts does not exist.

    Where the other server does not answer, its account is taken to exist.
    """
    home = server_name_of(synapse.owner)
    if move.old != synapse.owner and server_name_of(move.old) == home:
        try:
            synapse.users.get(move.old)
        except NotFoundError:
            return f"{move.old} does not exist: name the owner with --old-owner"
    # The account of a local new owner is checked in each room: an account may have no profile.
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
    """Return the record of a room that was not read."""
    room_id = RoomId(room) if room.startswith("!") else None
    reason = "target-unknown"
    return RoomTransfer(room=room, room_id=room_id, outcome=outcome.REFUSED, reason=reason, message=message)


def hand_over(
    way: Way,
    room_transfers: Sequence[RoomTransfer],
    move: Move,
    *,
    accept: Callable[[RoomId], object] | None,
    pause: Callable[[int], bool],
) -> Iterator[RoomTransfer]:
    """Hand rooms over, yielding each as it is finished.

    Args:
        way: how rooms are seen and changed.
        room_transfers: the planned rooms.
        move: the old and the new owner.
        accept: accepts the invitation as the new owner; None where the new owner does so by itself.
        pause: gets the number of rooms that are left, and waits a little; false when the time is over.

    Raises:
        NotAuthenticatedError: a token has become invalid. The rooms that were begun are yielded before.
    """
    begun: dict[int, RoomTransfer] = {}
    try:
        for number, room_transfer in enumerate(room_transfers):
            if room_transfer.outcome != outcome.PLANNED or room_transfer.room_id is None:
                yield room_transfer
                continue
            begun[number] = room_transfer
            try:
                begun[number] = way.grant(room_transfer)
            except NotAuthenticatedError:
                raise
            except SynadminError as error:
                yield _failed(way, begun.pop(number), error)
        while begun:
            for number, room_transfer in tuple(begun.items()):
                begun[number] = _finish_room(way, room_transfer, move, accept)
                if begun[number].outcome != outcome.PENDING:
                    yield begun.pop(number)
            if begun and not pause(len(begun)):
                break
    except NotAuthenticatedError as error:
        yield from [_failed(way, room_transfer, error) for room_transfer in begun.values()]
        raise
    yield from begun.values()


def _finish_room(
    way: Way,
    room_transfer: RoomTransfer,
    move: Move,
    accept: Callable[[RoomId], object] | None,
) -> RoomTransfer:
    """Continue with a room whose new owner was invited: once they have joined, lower the old owner."""
    room_id = room_transfer.room_id
    if room_id is None:
        return room_transfer
    try:
        view = way.view_of(room_id)
        room_transfer = replace(room_transfer, now=view)
        is_time = time.monotonic() >= room_transfer.not_before
        if room_transfer.reason == RATE_LIMITED and is_time and view.membership_of(move.new) not in INSIDE:
            room_transfer = way.grant(room_transfer)
            view = way.view_of(room_id)
        refused: SynadminError | None = None
        if accept is not None and is_time and view.membership_of(move.new) != "join":
            refused = _accept_invitation(accept, room_id)
            view = way.view_of(room_id)
        room_transfer = replace(room_transfer, now=view)
        if view.membership_of(move.new) != "join":
            return _pending(room_transfer, view, move, refused)
        room_transfer = room_transfer.done("join")
        if view.has_control(move.new):
            way.demote(view)
            room_transfer = room_transfer.done(LOWER)
        return _final_result(replace(room_transfer, now=way.view_of(room_id)), move)
    except NotAuthenticatedError:
        raise
    except SynadminError as error:
        return _failed(way, room_transfer, error)


def _accept_invitation(accept: Callable[[RoomId], object], room_id: RoomId) -> SynadminError | None:
    """Join as the new owner; return the error where this did not succeed yet.

    Raises:
        NotAuthenticatedError: the new owner's token has become invalid.
    """
    try:
        accept(room_id)
    except NotAuthenticatedError:
        raise
    except (MatrixError, ConnectError) as error:
        return error  # the invitation may not have reached the other server yet
    return None


def _pending(
    room_transfer: RoomTransfer, view: RoomView, move: Move, error: SynadminError | None
) -> RoomTransfer:
    """Return the pending result: what the new owner still has to do."""
    pending = replace(room_transfer, outcome=outcome.PENDING)
    if room_transfer.reason == RATE_LIMITED and error is None:
        return pending
    if isinstance(error, RateLimitedError):
        wait = RETRY if error.retry_after is None else error.retry_after
        pending = replace(pending, reason=RATE_LIMITED, not_before=time.monotonic() + wait)
    how = "join"
    if view.membership_of(move.new) == "invite":
        how = "accept the invitation"
    elif view.join_rule == "public":
        how = "join it (the room is public)"
    because = f" ({error})" if error is not None else ""
    message = f"{move.new} has to {how}{because}; {move.old} keeps control until then."
    return replace(pending, message=message)


def _final_result(room_transfer: RoomTransfer, move: Move) -> RoomTransfer:
    """Return the final result, from the state read back."""
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
        return replace(room_transfer, outcome=outcome.PARTLY, reason="creator-stays", message=message)
    if has_power(view.levels, move.old):
        message = f"{move.new} has control, but {move.old} still has level {format_level(level)}."
        return replace(room_transfer, outcome=outcome.PARTLY, reason="server-error", message=message)
    message = f"{move.new} has control; {move.old} has level {format_level(level)}."
    return replace(room_transfer, outcome=outcome.DONE, reason=None, message=message)


def _failed(way: Way, room_transfer: RoomTransfer, error: SynadminError) -> RoomTransfer:
    """Return the failed result, with the present state of the room where it can be read."""
    failed = replace(room_transfer, outcome=outcome.FAILED, message=str(error), reason=_code(error))
    if isinstance(error, TokenEndedError):
        steps = (*error.result.steps, *failed.steps[len(error.result.steps) :])
        failed = replace(failed, message=error.result.message, steps=steps)
    if room_transfer.room_id is None:
        return failed
    try:
        return replace(failed, now=way.view_of(room_transfer.room_id))
    except SynadminError:
        return failed


def _code(error: SynadminError) -> str:
    if isinstance(error, RateLimitedError):
        return RATE_LIMITED
    if isinstance(error, NotPermittedError):
        return "not-permitted"
    return "unknown-room" if isinstance(error, NotFoundError) else "server-error"


def accepting(new: Synapse, servers: Sequence[str]) -> Callable[[RoomId], object]:
    """Return a function that accepts an invitation with the new owner's own token."""
    return lambda room_id: new.client_server.join(room_id, via=list(servers))
