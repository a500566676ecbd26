"""``synadmin room transfer``: move rooms to an account on another homeserver."""

import time
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import click

from synadmin.cli.confirm import (
    ALLOW,
    LEAVE_ROOMS,
    PlannedRoom,
    announce_option,
    change_options,
    confirm_plan,
)
from synadmin.cli.exit_codes import EXIT_PARTLY
from synadmin.cli.input_files import QUOTE_ROOMS
from synadmin.cli.invocation import Invocation, pass_invocation
from synadmin.cli.known_ids import complete_rooms
from synadmin.cli.lazy import Command
from synadmin.cli.outcomes import Outcomes
from synadmin.cli.output import Output, output_options
from synadmin.cli.parameters import DURATION, renamed
from synadmin.cli.progress import progress
from synadmin.cli.room.announce import announce_transfers, speaker_of
from synadmin.cli.targets import ROOMS, counted, room_id_of, rooms_of
from synadmin.columns import Column
from synadmin.errors import SettingsError, UsageError
from synadmin.ids import RoomAlias, RoomId, UserId, parse_user_id, server_name_of
from synadmin.text import option_words, safe_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from synadmin.client import Synapse
    from synadmin.recovery.transfer import Way
    from synadmin.recovery.transfer_plan import Move, RoomTransfer

    _Command = Callable[..., list[str]]
    _AsText = Callable[[RoomTransfer], str]
_ALLOWED_BY: dict[
    str, tuple[str, dict[str, object]]
] = {  # by the reason of a refusal: the option that would help
    "needs-impersonate": ("--allow", {"allow": "impersonate"}),
    "needs-reactivate": ("--allow", {"allow": "reactivate"}),
    "would-lose-control": ("--leave-rooms", {"leave_rooms": True}),
}
_FEW = 3  # the most rooms that Synapse's default rate limits allow without a wait
_POLL = 1.0  # seconds between the first two checks whether the new owner has joined ...
_LONGEST_POLL = 20.0  # ... and the longest pause: a person may have to read the invitation first


@click.command(cls=Command)
@click.argument("rooms", nargs=-1, metavar="ROOM...", shell_complete=complete_rooms)
@click.option("--to", "new", required=True, metavar="USER", help="The new owner of the rooms.")
@click.option("--old-owner", "old", metavar="USER", help="The user who loses the power [default: you].")
@click.option("--space", metavar="SPACE", help="A space and all rooms below it.")
@click.option("--from", "source", metavar="FILE|-", help="Read rooms from a file, one a line.")
@renamed("--rooms-from", "--from FILE")
@click.option("--to-profile", metavar="NAME", help="Accept the invitations with the token of this profile.")
@click.option("--as-member", is_flag=True, help="Use only your own token; you need not be a server admin.")
@click.option(
    "--wait",
    type=DURATION,
    default="5m",
    show_default=True,
    help="How long to wait for the new owner to join.",
)
@ALLOW
@LEAVE_ROOMS
@announce_option("the new owner")
@change_options
@output_options
@pass_invocation
def transfer(
    invocation: Invocation,
    rooms: tuple[str, ...],
    *,
    new: str,
    old: str | None,
    space: str | None,
    source: str | None,
    to_profile: str | None,
    as_member: bool,
    wait: int,
    allow: str | None,
    leave_rooms: bool,
    announce: str | None,
    dry_run: bool,
    yes: bool,
    output: Output,
) -> int:
    """Move rooms to an account on another homeserver.

    In each room the new owner gets power and an invitation, and joins. When it has control, the old owner's
    power is removed; until then the old owner keeps control: run the command again. A room is refused if the
    old owner has no control of it, or if no local user would have control afterwards (--leave-rooms).

    \b
    Examples:
        synadmin room transfer '#club:old.example' --old-owner boss \\
            --to @boss:new.example --allow impersonate
        synadmin room transfer --space '#club:old.example' --to @me:new.example \\
            --as-member --to-profile new

    Exit codes: 0 every room is done or planned; 5 every one was refused (nothing was changed); 1 every
    one failed; 6 otherwise, for example if a new owner has not joined yet.
    """
    from synadmin.recovery.transfer import accepting, hand_over

    if as_member and allow is not None:
        raise UsageError("--allow needs a server admin, and --as-member does not use one")
    target, named = _parse_new_owner(new), _read_rooms(rooms, source, space)
    with ExitStack() as stack:
        synapse = stack.enter_context(invocation.synapse())
        move = _move(synapse.owner, target, old, as_member=as_member)
        in_space = _rooms_in_space(invocation, synapse, space, as_member=as_member)
        wanted = list(dict.fromkeys([*rooms_of(synapse, named), *in_space]))
        newcomer = _new_owner(invocation, stack, to_profile, move)
        options = {"allow": allow, "as_member": as_member, "announce": announce, "leave_rooms": leave_rooms}
        command = partial(_command, move, to_profile, options)
        invocation.journal.arguments = command(wanted)
        as_text = partial(_transfer_text, invocation, command)
        way = _method(invocation, stack, synapse, move, allow, as_member=as_member, change=not dry_run)
        way.leave_rooms = leave_rooms
        speak = speaker_of(way, newcomer, move) if announce else None
        planned = _look(invocation, way, synapse, wanted, move)
        if dry_run:
            return _report(invocation, planned, move, output, as_text, total=len(planned), dry_run=True)
        _begin(invocation, way, planned, move, None if yes else as_text)
        accept = None if newcomer is None else accepting(newcomer, [server_name_of(move.old)])
        handed = hand_over(way, planned, move, accept=accept, pause=_waiter(invocation, wait / 1000, move))
        handed = announce_transfers(invocation, handed, move, speak, announce)
        return _report(invocation, handed, move, output, as_text, total=len(planned))


def _begin(
    invocation: Invocation,
    way: "Way",
    planned: "list[RoomTransfer]",
    move: "Move",
    as_text: "_AsText | None",
) -> None:
    """Ask about the plan, unless ``as_text`` is None, and lift the rate limits where there are many rooms."""
    from synadmin.recovery.transfer_as_admin import AsAdmin

    todo = sum(room_transfer.outcome == "planned" for room_transfer in planned)
    if todo and as_text is not None:
        _ask_about_plan(invocation, planned, todo, move, as_text)
    if isinstance(way, AsAdmin) and todo > _FEW:
        way.recovery.lift_rate_limits()


def _look(
    invocation: Invocation,
    way: "Way",
    synapse: "Synapse",
    rooms: "Sequence[RoomId | RoomAlias]",
    move: "Move",
) -> "list[RoomTransfer]":
    from synadmin.recovery.transfer import missing_account, refused

    missing = missing_account(synapse, move)
    looks = (refused(room, missing) if missing else way.plan(room) for room in rooms)
    return list(progress(invocation, looks, total=len(rooms), what="looked at"))


def _parse_new_owner(text: str) -> UserId:
    """Return the new owner's user id.

    Raises:
        UsageError: it is not a user id; a localpart does not name the server.
    """
    if text and not text.startswith("@") and ":" not in text and "@" not in text:
        message = f"--to {text!a} does not say which server the new owner is on"
        raise UsageError(message, hint=f"write the full user id: --to @{text}:new.example")
    return parse_user_id(text)


def _read_rooms(rooms: tuple[str, ...], source: str | None, space: str | None) -> list[str]:
    """Return the rooms from the command line and the file.

    Raises:
        UsageError: there are no rooms, or --from names a user, as in an earlier version.
    """
    if source is not None and source.startswith("@"):
        raise UsageError(f"--from takes a file of rooms; the old owner is --old-owner {source}")
    if not rooms and source is None:
        if space is None:
            raise UsageError("no room is named: name one, or give --space or --from", hint=QUOTE_ROOMS)
        return []
    return ROOMS.read(rooms, source)


def _move(caller: UserId, new: UserId, old: str | None, *, as_member: bool) -> "Move":
    """Return the old and the new owner.

    Raises:
        UsageError: the token is not the old owner's, or both are the same user.
    """
    from synadmin.recovery.transfer_plan import Move

    giver = caller if old is None else parse_user_id(old, home=server_name_of(caller))
    if as_member and giver != caller:
        raise UsageError(f"with --as-member the token must be {giver}'s, and it is {caller}'s")
    if new == giver:
        raise UsageError(f"{new} is both the old and the new owner")
    return Move(new, giver)


def _rooms_in_space(
    invocation: Invocation,
    synapse: "Synapse",
    space: str | None,
    *,
    as_member: bool,
) -> "Sequence[RoomId]":
    if space is None:
        return ()
    from synadmin.recovery.rooms_in_space import rooms_in_space

    below = rooms_in_space(synapse, room_id_of(synapse, space), as_member=as_member)
    for room_id in below.elsewhere:
        invocation.say(f"Left out: {room_id} is in the space, but you cannot see it.")
    return below.rooms


def _new_owner(
    invocation: Invocation, stack: ExitStack, profile: str | None, move: "Move"
) -> "Synapse | None":
    """Return a client with the new owner's token from a profile; None where no profile was named.

    Raises:
        SettingsError: the profile has no token, or the token of another user.
    """
    from synadmin import settings

    if profile is None:
        return None
    # The settings of the environment are for the old homeserver.
    other = Invocation(profile=profile, quiet=invocation.quiet, verbose=invocation.verbose)
    other.settings = settings.of_profile(profile)
    other.journal = invocation.journal
    synapse = other.synapse()
    if synapse.owner != move.new:
        raise SettingsError(f"the profile {profile} holds the token of {synapse.owner}, not of {move.new}")
    return stack.enter_context(synapse)


def _method(
    invocation: Invocation,
    stack: ExitStack,
    synapse: "Synapse",
    move: "Move",
    allow: str | None,
    *,
    as_member: bool,
    change: bool,
) -> "Way":
    from synadmin.power.room import Reach
    from synadmin.recovery.member import Member
    from synadmin.recovery.room_lock import room_lock
    from synadmin.recovery.transfer_as_admin import AsAdmin
    from synadmin.recovery.transfer_as_member import AsMember
    from synadmin.recovery.workspace import Recovery

    if as_member:
        lock = partial(room_lock, synapse, invocation.journal, say=invocation.warn)
        return AsMember(Member(synapse), move, lock)
    recovery = stack.enter_context(Recovery(synapse, invocation.journal, invocation.warn))
    if change:
        recovery.revert_crashed_runs()
    reach = Reach.of(allow)
    return AsAdmin(recovery, move, reach)


def _waiter(invocation: Invocation, seconds: float, move: "Move") -> "Callable[[int], bool]":
    """Return a function that waits for the new owner, up to the time limit."""
    end = time.monotonic() + seconds
    interval = _POLL
    reported = False

    def pause(left: int) -> bool:
        nonlocal interval, reported
        remaining = end - time.monotonic()
        if remaining <= 0:
            return False
        if not reported:
            reported = True
            invocation.say(f"Waiting for {move.new} to join {counted(left, 'room')}.")
        time.sleep(min(interval, remaining))
        interval = min(interval * 1.5, _LONGEST_POLL)
        return True

    return pause


def _ask_about_plan(
    invocation: Invocation, planned: "list[RoomTransfer]", todo: int, move: "Move", as_text: "_AsText"
) -> None:
    note = f"{move.old} keeps control of each room until {move.new} has joined it and has control."
    of = "" if todo == len(planned) else f" of {len(planned)}"
    first = sorted(planned, key=lambda room: room.outcome == "planned")
    plan = [_planned_room(room, as_text(room)) for room in first]
    confirm_plan(invocation, plan, f"Hand {counted(todo, 'room')}{of} over to {move.new}?", notes=[note])


def _planned_room(room_transfer: "RoomTransfer", text: str) -> PlannedRoom:
    steps = counted(len(room_transfer.steps), "step") if room_transfer.outcome == "planned" else None
    return PlannedRoom(
        room_transfer.room_id or room_transfer.room,
        room_transfer.name,
        room_transfer.outcome,
        steps or room_transfer.reason or room_transfer.message,
        text,
    )


def _transfer_text(invocation: Invocation, command: "_Command", room_transfer: "RoomTransfer") -> str:
    """Return the plan or result of a room as lines of safe text, with advice below a refusal."""
    room = room_transfer.room_id or room_transfer.room
    version = f" (room version {room_transfer.before.version})" if room_transfer.before else ""
    lines = [f"{f'{safe_text(room_transfer.name)}: ' if room_transfer.name else ''}{room}{version}"]
    lines.append(f"  {room_transfer.outcome}: {room_transfer.message}")
    if room_transfer.outcome == "planned":
        steps = enumerate(room_transfer.steps, 1)
        lines += [f"  {number}.    {step.detail}" for number, step in steps]
    elif room_transfer.outcome == "refused":
        option, more = _ALLOWED_BY.get(room_transfer.reason or "", ("", {}))
        if option and option in room_transfer.message:
            lines.append(f"    hint: `{invocation.again(command([room], **more))}`")
    return "\n".join(safe_text(line) for line in lines)


def _command(
    move: "Move",
    to_profile: str | None,
    options: "Mapping[str, object]",
    rooms: "Iterable[str]",
    **more: object,
) -> list[str]:
    given = {"to_profile": to_profile, **options, **more}
    words = option_words(to=move.new, old_owner=move.old, yes=True, **given)
    return ["room", "transfer", *rooms, *words]


def _report(
    invocation: Invocation,
    room_transfers: "Iterable[RoomTransfer]",
    move: "Move",
    output: Output,
    as_text: "_AsText",
    *,
    total: int,
    dry_run: bool = False,
) -> int:
    """Print each room as it is finished, then the summary; return the exit code."""

    def write(finished: "Iterator[RoomTransfer]") -> None:
        output.write_blocks(finished, as_text, lambda result: result.as_record(move), _COLUMNS)

    outcomes = Outcomes(ROOMS, total, mixed=EXIT_PARTLY)
    try:
        code = outcomes.report(invocation, room_transfers, count=_count, write=write, what="finished")
    except BaseException:
        invocation.warn(f"{move.old} keeps control of the rooms that are not done; run it again.")
        raise
    if dry_run:
        invocation.say("Nothing was changed: --dry-run.")
    return code


def _count(room_transfer: "RoomTransfer", outcomes: Outcomes) -> None:
    # The new owner has not joined yet, so the exit code must not be 0.
    code = EXIT_PARTLY if room_transfer.outcome == "pending" else None
    outcomes.add(room_transfer.outcome, code, names=[room_transfer.room])


_COLUMNS = (
    Column("room_id", title="room", whole=True),
    Column("room.name", title="name", breakable=True),
    Column("outcome"),
    Column("reason"),
    Column("power_level.from.after", title="old", right=True),
    Column("power_level.to.after", title="new", right=True),
    Column("membership.after", title="membership"),
    Column("message"),
)
