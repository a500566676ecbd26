"""``synadmin room set-power`` and ``room demote``: change power levels in a room."""

from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import click

from synadmin.cli.confirm import ALLOW, LEAVE_ROOMS, change_options, confirm
from synadmin.cli.exit_codes import EXIT_DONE, EXIT_REFUSED
from synadmin.cli.invocation import Invocation, pass_invocation
from synadmin.cli.known_ids import complete_rooms, complete_users
from synadmin.cli.lazy import Command
from synadmin.cli.outcomes import Outcomes
from synadmin.cli.output import Output, output_options
from synadmin.cli.parameters import LEVEL, renamed
from synadmin.cli.room.outcome_text import room_heading
from synadmin.cli.targets import ROOMS, room_id_of
from synadmin.columns import Column
from synadmin.errors import RefusedError, UsageError, WouldLoseControlError
from synadmin.ids import RoomId, parse_user_id, server_name_of
from synadmin.text import command, option_words

if TYPE_CHECKING:
    from collections.abc import Callable

    from synadmin.client import Synapse
    from synadmin.power.level_changes import Edit
    from synadmin.power.levels import PowerLevels
    from synadmin.recovery.change_levels import EditPlan
# A copy from synadmin.power.level_changes, which --help does not load; a test compares them.
NAMED = ("users_default", "events_default", "state_default", "invite", "kick", "ban", "redact")

_OLD_NAME = renamed("--last", "--leave-rooms", is_flag=True)


class _Options(TypedDict):
    """The options of both commands."""

    allow: str | None
    leave_rooms: bool
    dry_run: bool
    yes: bool
    output: Output


@click.command("set-power", cls=Command)
@click.argument("room", shell_complete=complete_rooms)
@click.argument("user", required=False, shell_complete=complete_users)
@click.argument("level", required=False, type=LEVEL)
@click.option(
    "--event",
    "events",
    type=(str, LEVEL),
    multiple=True,
    metavar="TYPE LEVEL",
    help="The level needed to send this type of event.",
)
@click.option(
    "--default",
    "defaults",
    type=(click.Choice(NAMED), LEVEL),
    multiple=True,
    metavar="NAME LEVEL",
    help=f"One of: {', '.join(NAMED)}.",
)
@ALLOW
@LEAVE_ROOMS
@_OLD_NAME
@change_options
@output_options
@pass_invocation
def set_power(
    invocation: Invocation,
    room: str,
    user: str | None,
    level: int | None,
    *,
    events: tuple[tuple[str, int], ...],
    defaults: tuple[tuple[str, int], ...],
    **options: Unpack[_Options],
) -> int:
    """Change power levels in a room.

    A local user with enough power sends the change. Other levels do not change.

    Shows the changes, and the users who lose abilities, and asks. A change that would lock out all users is
    refused.

    \b
    Examples:
        synadmin room set-power '#club:example.org' alice 50
        synadmin room set-power '!abcdef:example.org' --default invite 50 \\
            --event m.room.topic 0
        synadmin room set-power --yes -- '!abcdef:example.org' mallory -1
    """
    from synadmin.power.level_changes import Edit

    if (user is None) != (level is None):
        raise UsageError("USER and LEVEL go together: synadmin room set-power ROOM USER LEVEL")
    if user is None and not events and not defaults:
        raise UsageError("nothing to change: name USER and LEVEL, --event or --default")

    def edit(home: str) -> Edit:
        users = {} if user is None else {parse_user_id(user, home=home): level}
        return Edit(users=users, events=dict(events), named=dict(defaults))

    return _edit(invocation, room, edit, **options)


@click.command(cls=Command)
@click.argument("room", shell_complete=complete_rooms)
@click.argument("user", shell_complete=complete_users)
@click.option(
    "--to",
    "level",
    type=LEVEL,
    metavar="LEVEL",
    help="The new level [default: the room's default level; 0 if that gives control].",
)
@ALLOW
@LEAVE_ROOMS
@_OLD_NAME
@change_options
@output_options
@pass_invocation
def demote(
    invocation: Invocation,
    room: str,
    user: str,
    *,
    level: int | None,
    **options: Unpack[_Options],
) -> int:
    """Lower a user's power level in a room.

    A user with a higher level sends the change, or the user itself.

    Users can always lower their own level, so --allow impersonate works for every local user. You cannot
    lower a user of another server with the same level as yours: the rules of Matrix forbid it.

    \b
    Examples:
        synadmin room demote '#club:example.org' mallory --allow impersonate
        synadmin room demote '!abcdef:example.org' @bob:example.org --to 50
    """
    from synadmin.power.level_changes import Edit

    def edit(home: str) -> Edit:
        return Edit(users={parse_user_id(user, home=home): level})

    return _edit(invocation, room, edit, lowering=True, **options)


def _edit(
    invocation: Invocation,
    room: str,
    edit_at: "Callable[[str], Edit]",
    *,
    allow: str | None,
    leave_rooms: bool,
    dry_run: bool,
    yes: bool,
    output: Output,
    lowering: bool = False,
) -> int:
    from synadmin.power.room import Reach
    from synadmin.recovery import change_levels

    with invocation.recovery() as recovery:
        synapse = recovery.synapse
        edit = edit_at(server_name_of(synapse.owner))
        room_id = room_id_of(synapse, room)
        if not dry_run:
            recovery.revert_crashed_runs()  # first: changes that a crash has left may cause a refusal
        view = change_levels.view_to_edit(recovery.observer, room_id)
        if lowering:
            edit = _lowering(view.levels, edit)
        reach = Reach.of(allow)

        def again(**more: object) -> str:
            options = {"allow": allow, "leave_rooms": leave_rooms, "profile": invocation.profile, **more}
            return f"`{command(*_command(room_id, edit, option_words(**options), lowering=lowering))}`"

        try:
            planned = change_levels.plan(recovery.observer, view, edit, allow=reach, leave_rooms=leave_rooms)
            if planned.actor is not None:
                if output.for_people or not yes:
                    heading = room_heading(room_id, synapse.rooms.get(room_id))
                    invocation.warn(_plan_text(planned, heading), has_heading=True)
                if not dry_run:
                    confirm(invocation, _question(planned), yes=yes)
                    options = option_words(yes=True, allow=allow, leave_rooms=leave_rooms)
                    invocation.journal.arguments = _command(room_id, planned.edit, options)
                    change_levels.carry_out(recovery, planned)
        except WouldLoseControlError as error:
            _write(invocation, output, _refused(synapse, room_id, error), "refused")
            if output.for_people and error.hint == change_levels.keep_control(room_id):
                invocation.warn(f"hint: {again(leave_rooms=True)}")
            return EXIT_REFUSED
        except RefusedError as error:
            needed = error.reason.removeprefix("needs-")
            error.hint = error.hint if needed == error.reason else again(allow=needed)
            raise
    record = _record(planned, dry_run=dry_run, lowering=lowering)
    _write(invocation, output, record, "unchanged" if planned.actor is None else record["outcome"])
    return EXIT_DONE


def _write(invocation: Invocation, output: Output, record: dict[str, Any], outcome: str) -> None:
    """Print the record: an object for scripts; a line and a sentence for people."""
    if not output.for_people:
        output.write_one(record, _COLUMNS)
    else:
        output.write_result(record, _COLUMNS)
    if outcome == "planned":
        invocation.say("Nothing was changed: --dry-run.")
        return
    outcomes = Outcomes(ROOMS, total=1)
    outcomes.add(outcome)
    outcomes.say_summary(invocation, of_one=output.in_words and not output.on_terminal)


def _lowering(levels: "PowerLevels", edit: "Edit") -> "Edit":
    """Return the edit, with level 0 where the default level gives control.

    Raises:
        UsageError: the user's level is already lower.
    """
    from synadmin.power.level_changes import Edit

    lowest = 0 if levels.users_default >= levels.control > 0 else None
    users = {user: lowest if level is None else level for user, level in edit.users.items()}
    for user, level in users.items():
        wanted, held = levels.users_default if level is None else level, levels.level_of(user)
        if wanted > held:
            message = f"{user} has {held}, which is not higher than {wanted}"
            raise UsageError(message, hint="`synadmin room set-power` raises a level")
    return Edit(users=users)


def _command(room_id: RoomId, edit: "Edit", options: list[str], *, lowering: bool = False) -> list[str]:
    """Return the command line for the edit; ``lowering``: with ``room demote``."""
    level_of = list[str]()
    for user, level in edit.users.items():
        if lowering or level is None:
            return ["room", "demote", room_id, user, *option_words(to=level), *options]
        level_of = [user, str(level)]
    levels = option_words(event=[*edit.events.items()], default=[*edit.named.items()])
    # After the dashes, no word is an option: a level may be negative.
    return ["room", "set-power", *options, *levels, "--", room_id, *level_of]


def _plan_text(planned: "EditPlan", heading: str) -> str:
    from synadmin.power.level_changes import changes, gives_everybody_control, losses

    lines: list[str] = [heading]
    lines += [f"  {change.text}" for change in changes(planned.view, planned.edit)]
    lines += [
        f"  warning: {user} can no longer {', '.join(lost)}"
        for user, lost in losses(planned.view, planned.edit)
    ]
    if gives_everybody_control(planned.view, planned.edit):
        lines.append("  warning: every member of the room would have control of it, and every user who joins")
    if planned.actor is not None:
        lines.append(f"  {planned.actor.text}")
    return "\n".join(lines)


def _question(planned: "EditPlan") -> str:
    from synadmin.power.level_changes import gives_everybody_control

    if gives_everybody_control(planned.view, planned.edit):
        return "Give control of the room to every member?"
    return "Change the levels?"


def _record(planned: "EditPlan", *, dry_run: bool, lowering: bool) -> dict[str, Any]:
    from synadmin.power.level_changes import change_records

    actor = planned.actor
    outcome, message = "done", "The power levels are set."
    if actor is None:
        message = "Nothing to change: the room already has these levels."
    elif dry_run:
        outcome, message = "planned", actor.text
    return {
        "room_id": planned.view.room_id,
        "outcome": outcome,
        "message": message + (_control_kept(planned) if lowering else ""),
        "changes": change_records(planned.view, planned.edit),
        "as": actor.user if actor is not None else None,
        "reach": str(actor.reach) if actor is not None else None,
    }


def _control_kept(planned: "EditPlan") -> str:
    """Return a sentence about a user who still has control after the edit; empty where none has."""
    from synadmin.power.level_changes import edited

    after = edited(planned.view, planned.edit)
    kept = [user for user in planned.edit.users if after.has_control(user)]
    return f" {kept[0]} still has control: control takes level {after.levels.control}." if kept else ""


def _refused(synapse: "Synapse", room_id: RoomId, error: WouldLoseControlError) -> dict[str, Any]:
    """Return the record of a room that no local user would control after the edit."""
    from synadmin.recovery.outcome import room_record

    return {
        "room_id": room_id,
        "outcome": "refused",
        "reason": "would-lose-control",
        "message": f"{error}; {error.hint}".removeprefix("refused: "),
        "rooms": [{"room_id": room_id, "room": room_record(synapse.rooms.get(room_id))}],
    }


_COLUMNS = (Column("room_id", title="room", whole=True), Column("outcome"), Column("message"))
