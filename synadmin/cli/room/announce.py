"""``--announce``: after success, the new admin posts a message in the room."""

from dataclasses import replace
from typing import TYPE_CHECKING

from synadmin.cli.invocation import Invocation
from synadmin.errors import UsageError
from synadmin.ids import UserId, server_name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from synadmin.client import Synapse
    from synadmin.power.room import Reach
    from synadmin.recovery.outcome import Outcome
    from synadmin.recovery.transfer import Way
    from synadmin.recovery.transfer_plan import Move, RoomTransfer
    from synadmin.recovery.workspace import Recovery


def require_speaker(caller: UserId, speaker: UserId, allow: "Reach") -> None:
    """Refuse an announcement as a user that synadmin cannot act as.

    Raises:
        UsageError: the user is on another server, or acting as the user was not allowed.
    """
    from synadmin.power.room import Reach

    if speaker == caller:
        return
    if server_name_of(speaker) != server_name_of(caller):
        message = f"--announce speaks as {speaker}, who is on another server"
        raise UsageError(message, hint="leave --announce out, and write to the room from that account")
    if allow < Reach.IMPERSONATE:
        message = f"--announce speaks as {speaker}"
        raise UsageError(message, hint="--allow impersonate lets synadmin act as this user for a short time")


def speaker_of(way: "Way", newcomer: "Synapse | None", move: "Move") -> "Callable[[], Synapse]":
    """Return a function that returns a client with the token of a transfer's new owner.

    Raises:
        UsageError: the new owner cannot send messages here.
    """
    from synadmin.recovery.transfer_as_admin import AsAdmin

    if newcomer is not None:
        return lambda: newcomer
    if not isinstance(way, AsAdmin):
        message = f"--announce speaks as {move.new}"
        raise UsageError(message, hint="--to-profile NAME names a profile with the token of this account")
    recovery = way.recovery
    require_speaker(recovery.synapse.owner, move.new, way.allow)
    return lambda: recovery.as_user(move.new)


def announce_transfers(
    invocation: Invocation,
    room_transfers: "Iterator[RoomTransfer]",
    move: "Move",
    speak: "Callable[[], Synapse] | None",
    text: str | None,
) -> "Iterator[RoomTransfer]":
    """Announce in each changed room that the new owner has control now."""
    for room_transfer in room_transfers:
        if speak is None or text is None:
            yield room_transfer
        else:
            yield _announced_transfer(invocation, room_transfer, move, speak, text)


def _announced_transfer(
    invocation: Invocation,
    room_transfer: "RoomTransfer",
    move: "Move",
    speak: "Callable[[], Synapse]",
    text: str,
) -> "RoomTransfer":
    from synadmin.recovery.announce import announce
    from synadmin.recovery.outcome import StepTaken

    room_id = room_transfer.room_id
    if room_transfer.outcome not in {"done", "partly"} or not room_transfer.steps or room_id is None:
        return room_transfer
    failed = announce(speak(), room_id, text)
    if failed is not None:
        invocation.warn(f"warning: {room_id}: {move.new} could not announce it: {failed}")
    return replace(room_transfer, steps=(*room_transfer.steps, StepTaken.announced(move.new, failed)))


def announce_admin(
    invocation: Invocation, recovery: "Recovery", result: "Outcome", text: str | None
) -> "Outcome":
    """Announce in a changed room that the target has control now."""
    from synadmin.recovery.announce import announce
    from synadmin.recovery.outcome import StepTaken

    if text is None or result.outcome != "done" or not result.steps or result.room_id is None:
        return result
    user = result.user_id
    failed = announce(recovery.as_user(user), result.room_id, text)
    if failed is not None:
        invocation.warn(f"warning: {result.room_id}: {user} could not announce it: {failed}")
    return replace(result, steps=(*result.steps, StepTaken.announced(user, failed)))
