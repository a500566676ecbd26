"""``synadmin control apply``: change the rooms as the file says."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from synadmin.cli.confirm import PlannedRoom, announce_option, change_options, confirm_plan
from synadmin.cli.control.plan import plan_checker, plan_rooms
from synadmin.cli.control.report import (
    ALLOW,
    ControlFile,
    ControlRooms,
    find_rooms,
    reach_of,
    report_text,
    write_reports,
)
from synadmin.cli.exit_codes import EXIT_PARTLY
from synadmin.cli.invocation import Invocation, pass_invocation
from synadmin.cli.lazy import Command
from synadmin.cli.outcomes import Outcomes
from synadmin.cli.output import Output, output_options
from synadmin.cli.targets import ROOMS, counted
from synadmin.ids import server_name_of
from synadmin.text import option_words

if TYPE_CHECKING:
    from synadmin.client import Synapse
    from synadmin.control.apply import Apply
    from synadmin.control.records import RoomReport
    from synadmin.recovery.workspace import Recovery

_FEW = 3  # the most rooms that Synapse's default rate limits allow without a wait


@click.command(cls=Command, calls=("rooms.make_admin", "rooms.state"))
@click.argument("file", metavar="FILE")
@ALLOW
@announce_option("one of its admins")
@change_options
@output_options
@pass_invocation
def apply(
    invocation: Invocation,
    *,
    file: str,
    allow: str | None,
    announce: str | None,
    dry_run: bool,
    yes: bool,
    output: Output,
) -> int:
    """Change the rooms as the file says.

    Shows the plan and asks. Then it changes the rooms one by one, and checks the result in each room.
    Admins come first, so no room has fewer local users with control after a step than the file says. A room
    that cannot be changed as the file says is refused with the reason; the other rooms continue. After an
    interruption run it again: finished steps are not repeated.

    \b
    Examples:
        synadmin control apply control.toml --dry-run
        synadmin control apply control.toml
        synadmin control apply control.toml --allow impersonate --yes -o json

    Exit codes: 0 every room is in order, done or pending; 5 every one was refused, or matches no room; 1
    every one failed; 6 some of each.
    """
    from synadmin.control.apply import Apply
    from synadmin.recovery.workspace import Recovery

    source = ControlFile.read(file, invocation.plan)
    with invocation.synapse() as synapse:
        rooms = find_rooms(invocation, synapse, source)
        options = option_words(yes=True, allow=allow, announce=announce)
        again = ["control", "apply", str(Path(file).absolute()), *options]
        invocation.journal.arguments = invocation.apply_command or again
        if dry_run:
            code = _report(invocation, rooms, plan_rooms(invocation, synapse, rooms, allow), output)
            invocation.say("Nothing was changed: --dry-run.")
            return code
        if not yes:
            rooms = _ask(invocation, synapse, rooms, allow)
        with Recovery(synapse, invocation.journal, invocation.warn) as recovery:
            recovery.revert_crashed_runs()
            lift = _limit_lifter(invocation, recovery, rooms)
            work = Apply(recovery, rooms.notices, lift, plan_checker(invocation, synapse))
            applied = _applied(work, rooms, allow)
            if announce is not None:
                applied = (_announced(recovery, report, allow, announce) for report in applied)
            return _report(invocation, rooms, chain(rooms.unknown(), applied), output)


def _limit_lifter(invocation: Invocation, recovery: "Recovery", rooms: ControlRooms) -> Callable[[], None]:
    """Return a function that lifts the rate limits once, where many rooms may be changed."""
    changing = [target for target, is_in_order in rooms.looked_at if not is_in_order]
    lifted = len(changing) <= _FEW and not any(target.entry.settings for target in changing)

    def lift() -> None:
        nonlocal lifted
        if not lifted:
            lifted = True
            recovery.lift_rate_limits()
            owner = recovery.synapse.owner
            invocation.say(f"The rate limits of {owner} are lifted for this run, and restored after it.")

    return lift


def _applied(work: "Apply", rooms: ControlRooms, allow: str | None) -> "Iterator[RoomReport]":
    from synadmin.control.apply import InterruptedApply
    from synadmin.control.plan import reach_for
    from synadmin.control.records import in_order

    upper = reach_of(allow)
    for target, is_in_order in rooms.looked_at:
        if is_in_order:
            yield in_order(target)
            continue
        try:
            yield work.carry_out(target, allow=reach_for(target.entry, upper))
        except InterruptedApply as interruption:
            yield interruption.report
            raise


def _announced(recovery: "Recovery", report: "RoomReport", allow: str | None, text: str) -> "RoomReport":
    """Announce the change in a room: as you, if you are one of its admins, else as another local admin."""
    from synadmin.control.plan import reach_for
    from synadmin.power.room import Reach
    from synadmin.recovery.announce import announce
    from synadmin.recovery.outcome import StepTaken

    entry, room_id, owner = report.target.entry, report.target.room_id, recovery.synapse.owner
    if report.outcome != "done" or not report.steps:
        return report
    local = [user for user in entry.goal.admins if server_name_of(user) == server_name_of(owner)]
    possible = local if reach_for(entry, reach_of(allow)) >= Reach.IMPERSONATE else []
    speaker = owner if owner in local else next(iter(possible), None)
    if speaker is None:
        recovery.say(
            f"warning: {room_id}: not announced: you are not one of its admins (--allow impersonate)"
        )
        return report
    failed = announce(recovery.as_user(speaker), room_id, text)
    if failed is not None:
        recovery.say(f"warning: {room_id}: {speaker} could not announce it: {failed}")
    return replace(report, steps=(*report.steps, StepTaken.announced(speaker, failed)))


def _ask(invocation: Invocation, synapse: "Synapse", rooms: ControlRooms, allow: str | None) -> ControlRooms:
    """Show the plan and ask; return the rooms, with a mark for those that are in order."""
    reports = list(plan_rooms(invocation, synapse, rooms, allow))
    planned = [report for report in reports if report.outcome == "planned"]
    if not planned:
        return rooms
    refused = [report for report in reports if report.outcome not in {"in-order", "planned"}]
    plan = [_planned_room(report) for report in (*refused, *planned)]
    confirm_plan(invocation, plan, f"Change {counted(len(planned), 'room')} as planned?")
    ordered = {report.target.room_id for report in reports if report.outcome == "in-order"}
    looked_at = tuple((target, target.room_id in ordered) for target, _ in rooms.looked_at)
    return ControlRooms(rooms.selection, looked_at, rooms.notices)


def _planned_room(report: "RoomReport") -> PlannedRoom:
    room = report.target.room
    note = counted(len(report.steps), "step") if report.outcome == "planned" else report.reason
    return PlannedRoom(
        room.room_id,
        room.name or room.canonical_alias,
        report.outcome,
        note or report.message,
        report_text(report),
        has_warnings=bool(report.warnings),
    )


def _report(
    invocation: Invocation, rooms: ControlRooms, reports: "Iterable[RoomReport]", output: Output
) -> int:
    """Print each room as it is finished, then the summary; return the exit code."""
    unmatched = rooms.selection.unmatched
    outcomes = Outcomes(ROOMS, rooms.total, mixed=EXIT_PARTLY)
    code = outcomes.report(
        invocation,
        reports,
        count=_count,
        write=lambda finished: write_reports(output, finished, unmatched),
        what="finished",
        sums_up_one=output.in_words,
    )
    if unmatched:
        names = ", ".join(entry.name for entry in unmatched)
        invocation.warn(f"{counted(len(unmatched), 'entry', 'entries')} without a room: {names}")
        outcomes.add("refused")
        code = outcomes.exit_code
    return code


def _count(report: "RoomReport", outcomes: Outcomes) -> None:
    kind = "unchanged" if report.outcome == "in-order" else report.outcome
    allow = str(report.reach) if kind == "refused" and report.reach else None
    outcomes.add(kind, allow=allow)
