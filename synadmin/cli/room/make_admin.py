"""``synadmin room make-admin``: regain control of rooms."""

from functools import partial
from typing import TYPE_CHECKING

import click

from synadmin.cli.confirm import ALLOW, SAVE_PLAN, announce_option, change_options, confirm_plan
from synadmin.cli.exit_codes import EXIT_PARTLY
from synadmin.cli.invocation import Invocation, pass_invocation
from synadmin.cli.known_ids import complete_rooms
from synadmin.cli.lazy import Command
from synadmin.cli.output import Output, output_options
from synadmin.cli.parameters import renamed
from synadmin.cli.targets import ROOMS, rooms_of
from synadmin.columns import Column
from synadmin.errors import UsageError
from synadmin.ids import RoomAlias, RoomId, UserId, parse_server_name, parse_user_id, server_name_of
from synadmin.text import option_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from synadmin.cli.outcomes import Outcomes
    from synadmin.client import Synapse
    from synadmin.power.room import Goal, Reach
    from synadmin.recovery.make_admin import Preview, Run
    from synadmin.recovery.outcome import Outcome

    _Command = Callable[..., list[str]]
_FEW = 3  # the most rooms that Synapse's default rate limits allow without a wait
_LONGEST_WAIT = 3600.0  # seconds, with --keep-rate-limits


@click.command("make-admin", cls=Command, calls=["rooms.make_admin"])
@click.argument("rooms", nargs=-1, metavar="ROOM...", shell_complete=complete_rooms)
@click.option("--user", metavar="USER", help="The user to give control to [default: you].")
@ALLOW
@click.option("--promoter", metavar="USER", help="The local user who grants the power.")
@click.option("--space", metavar="SPACE", help="A space and all rooms in it; the rooms first.")
@click.option(
    "--via", metavar="SERVER", multiple=True, help="A server to join the rooms through; repeatable."
)
@renamed("--through", "--via SERVER")
@click.option("--from", "source", metavar="FILE|-", help="Read rooms from a file, one a line.")
@click.option("--no-join", is_flag=True, help="Give the power, but do not join the room.")
@click.option(
    "--keep-rate-limits", is_flag=True, help="Do not lift rate limits; wait when the server says so."
)
@announce_option("the new admin")
@SAVE_PLAN
@change_options
@output_options
@pass_invocation
def make_admin(
    invocation: Invocation,
    rooms: tuple[str, ...],
    *,
    user: str | None,
    allow: str | None,
    promoter: str | None,
    space: str | None,
    via: tuple[str, ...],
    source: str | None,
    no_join: bool,
    keep_rate_limits: bool,
    announce: str | None,
    save_plan: str | None,
    dry_run: bool,
    yes: bool,
    output: Output,
) -> int:
    """Regain control of rooms through a local user with power.

    Reads levels, members and accounts, shows a plan and asks. Then it carries out the plan, joins the room if
    you get control, and checks the result. A room that cannot be regained this way is refused with the
    reason, before anything is changed.

    ROOM is a room id, an alias, or the name of one room. Put it in single quotes.

    \b
    Examples:
        synadmin room make-admin '#club:example.org' --dry-run
        synadmin room make-admin '!abcdef:example.org' --user alice
        synadmin room make-admin --from lost-rooms.txt --yes -o ndjson

    Exit codes: 0 every room is done, pending or planned; 5 every one was refused (nothing was
    changed); 1 every one failed; 6 some of each.
    """
    from synadmin.cli.room.make_admin_plan import kept_to_plan, planned_results
    from synadmin.recovery.make_admin import Run, preview_rooms

    servers = _servers(via)
    named = ROOMS.read(rooms, source) if rooms or source or space is None else []
    goal_at = _goal(user, promoter, allow=allow, join=not no_join, announces=announce is not None)
    wait = _LONGEST_WAIT if keep_rate_limits else None
    with invocation.recovery(via=servers, longest_wait=wait) as recovery:
        goal = goal_at(recovery.synapse.owner)
        wanted = _wanted_rooms(invocation, recovery.synapse, named, space)
        command = partial(_command, goal=goal, via=servers, announce=announce, keep=keep_rate_limits)
        invocation.journal.arguments = invocation.apply_command or command(wanted)
        at_once = invocation.settings.concurrency if dry_run or not yes else 1  # --yes: room after room
        looked = preview_rooms(recovery.observer, wanted, goal, at_once=at_once)
        previews: Iterable[Preview] = kept_to_plan(invocation.plan, looked)
        if dry_run or save_plan is not None:
            results = planned_results(invocation, recovery.synapse, previews, command, save_plan)
            return _report(invocation, results, output, command, total=len(wanted), dry_run=True)
        recovery.revert_crashed_runs()
        lifts = len(wanted) > _FEW and not keep_rate_limits
        shown = False
        if not yes:
            previews, shown = _ask_about(invocation, previews, goal, command, total=len(wanted), lifts=lifts)
        regained = _carry_out(invocation, Run(recovery, goal), previews, lifts=lifts, announce=announce)
        return _report(invocation, regained, output, command, total=len(wanted), dry_run=False, shown=shown)


def _goal(
    user: str | None, promoter: str | None, *, allow: str | None, join: bool, announces: bool
) -> "Callable[[UserId], Goal]":
    """Check the users, and return a function that returns the goal for the owner of the token."""
    from synadmin.power.room import Goal, Reach

    for name in (user, promoter):
        if name is not None and name.startswith("@"):
            parse_user_id(name, home="localhost")

    def goal(caller: UserId) -> Goal:
        home = server_name_of(caller)
        target = caller if user is None else parse_user_id(user, home=home)
        reach = Reach.of(allow)
        if announces:
            from synadmin.cli.room.announce import require_speaker

            require_speaker(caller, target, reach)
        return Goal(
            target=target,
            caller=caller,
            allow=reach,
            join=join,
            promoter=None if promoter is None else parse_user_id(promoter, home=home),
        )

    return goal


def _wanted_rooms(
    invocation: Invocation, synapse: "Synapse", named: "Sequence[str]", space: str | None
) -> list[RoomId | RoomAlias]:
    from synadmin.cli.room.selection import rooms_of_space

    rooms = rooms_of(synapse, named)
    in_space = () if space is None else rooms_of_space(invocation, synapse, space)
    return list(dict.fromkeys([*rooms, *in_space]))


def _servers(via: "Sequence[str]") -> tuple[str, ...]:
    """Return the servers to join through, checked.

    Raises:
        UsageError: it is a user: in an earlier version, the option named the promoter.
    """
    user = next((name for name in via if name.startswith("@")), None)
    if user is not None:
        raise UsageError(f"--via takes a server to join through; the user who grants is --promoter {user}")
    return tuple(parse_server_name(server) for server in via)


def _command(
    rooms: "Sequence[str]",
    goal: "Goal",
    via: "Sequence[str]",
    *,
    announce: str | None,
    keep: bool,
    allow: "Reach | None" = None,
) -> list[str]:
    """Return the command line that continues this run, or a command line with a wider ``--allow``."""
    options = option_words(
        user=goal.target,
        yes=True,
        allow=allow or goal.allow or None,
        promoter=goal.promoter,
        via=[*via],
        announce=announce,
        keep_rate_limits=keep,
        no_join=not goal.join,
    )
    return ["room", "make-admin", *rooms, *options]


def _allowed_command(invocation: Invocation, command: "_Command", outcome: "Outcome") -> str | None:
    """Return the command that would regain a refused room; None where ``--allow`` does not help."""
    if outcome.outcome != "refused" or not outcome.reach:
        return None
    return invocation.again(command([outcome.room_id or outcome.room], allow=outcome.reach))


def _carry_out(
    invocation: Invocation,
    run: "Run",
    previews: "Iterable[Preview]",
    *,
    lifts: bool,
    announce: str | None,
) -> "Iterator[Outcome]":
    """Carry out the plans one by one; the rate limits are lifted before the first change."""
    from synadmin.cli.room.announce import announce_admin
    from synadmin.recovery.make_admin import InterruptedRun, TokenEndedError

    for preview in previews:
        if lifts and preview.plan is not None:
            run.recovery.lift_rate_limits()
            caller = run.goal.caller
            invocation.say(f"The rate limits of {caller} are lifted for this run, and restored after it.")
            lifts = False
        try:
            yield announce_admin(invocation, run.recovery, run.carry_out(preview), announce)
        except (InterruptedRun, TokenEndedError) as stopped:
            yield stopped.result
            raise


def _ask_about(
    invocation: Invocation,
    previews: "Iterable[Preview]",
    goal: "Goal",
    command: "_Command",
    *,
    total: int,
    lifts: bool,
) -> "tuple[list[Preview], bool]":
    """Show the plans, refused rooms first, and ask.

    Returns:
        The plans, and whether all their steps were shown.
    """
    from synadmin.cli.outcomes import Outcomes
    from synadmin.cli.progress import progress
    from synadmin.cli.room.outcome_text import planned_room

    seen = list(progress(invocation, previews, total=total, what="looked at"))
    outcomes = Outcomes(ROOMS, len(seen))
    for preview in seen:
        _count(preview.result, outcomes)
    todo = [preview for preview in seen if preview.plan is not None]
    if not todo:
        return seen, False
    refused = [preview for preview in seen if preview.result.outcome == "refused"]
    notes = []
    if lifts:
        notes.append(
            f"During this run the rate limits of {goal.caller} are lifted, and restored afterwards. "
            f"--keep-rate-limits leaves them, and waits.",
        )
    others = outcomes.parts("unchanged", "refused", "failed")
    if others:
        notes.append(f"Plan: {', '.join([f'{len(todo)} to regain', *others])}.")
    plan = [
        planned_room(preview.result, _allowed_command(invocation, command, preview.result))
        for preview in (*refused, *todo)
    ]
    question = f"Regain {'this room' if total == 1 else ROOMS.counted(len(todo))}?"
    return seen, confirm_plan(invocation, plan, question, notes=notes)


def _count(outcome: "Outcome", outcomes: "Outcomes") -> None:
    """Count a room; it is unchanged if the target already has control of it."""
    kind = "unchanged" if outcome.outcome == "done" and not outcome.steps else outcome.outcome
    allow = str(outcome.reach) if kind == "refused" and outcome.reach else None
    outcomes.add(kind, allow=allow, names=[outcome.room, outcome.room_id or ""])


def _report(
    invocation: Invocation,
    results: "Iterator[Outcome]",
    output: Output,
    command: "_Command",
    *,
    total: int,
    dry_run: bool,
    shown: bool = False,
) -> int:
    """Print each room as it is finished, then the summary; return the exit code.

    For a refused room, the steps that would regain it are not printed again after the question.
    """
    from synadmin.cli.outcomes import Outcomes
    from synadmin.cli.room.outcome_text import outcome_text

    def write(finished: "Iterator[Outcome]") -> None:
        output.write_blocks(finished, as_text, lambda outcome: outcome.as_record(), _COLUMNS)
        outcomes.total = len(outcomes.codes)  # two names of one room are one room

    def as_text(outcome: "Outcome") -> str:
        return outcome_text(
            outcome, with_steps=not shown, hint=_allowed_command(invocation, command, outcome)
        )

    outcomes = Outcomes(ROOMS, total, mixed=EXIT_PARTLY)
    code = outcomes.report(invocation, results, count=_count, write=write, what="finished")
    if dry_run and outcomes.counts["planned"]:
        invocation.say("Nothing was changed: --dry-run.")
    return code


_COLUMNS = (
    Column("room_id", title="room", whole=True),
    Column("room.name", title="name", breakable=True),
    Column("user_id", title="user"),
    Column("outcome"),
    Column("reason"),
    Column("power_level.before", title="before", right=True),
    Column("power_level.after", title="after", right=True),
    Column("membership.after", title="membership"),
    Column("control"),
    Column("promoter", shown=False),
    Column("reach", shown=False),
    Column("message"),
)
