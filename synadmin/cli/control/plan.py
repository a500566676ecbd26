"""``synadmin control plan`` and ``check``: show the differences from the file."""

from collections import Counter
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

import click

from synadmin.cli.confirm import SAVE_PLAN
from synadmin.cli.control.report import (
    ALLOW,
    ControlFile,
    ControlRooms,
    find_rooms,
    reach_of,
    summary,
    write_reports,
)
from synadmin.cli.exit_codes import EXIT_DONE, EXIT_FOUND
from synadmin.cli.invocation import Invocation, pass_invocation
from synadmin.cli.lazy import Command
from synadmin.cli.output import Output, output_options
from synadmin.cli.progress import progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from synadmin.cli.saved_plan import SavedPlan
    from synadmin.client import Synapse
    from synadmin.control.records import RoomReport

_CALLS = ("rooms.state", "rooms.list")


@click.command(cls=Command, calls=_CALLS)
@click.argument("file", metavar="FILE")
@ALLOW
@SAVE_PLAN
@output_options
@pass_invocation
def plan(
    invocation: Invocation, *, file: str, allow: str | None, save_plan: str | None, output: Output
) -> int:
    """Show the differences from the file, and the steps.

    Reads the rooms that the file matches. For each room that is not as the file says, it shows the
    differences and the steps of `control apply`, or why the room is refused. Nothing is changed.

    \b
    Examples:
        synadmin control plan control.toml
        synadmin control plan control.toml --allow impersonate -o json
        synadmin control plan control.toml --save-plan plan.json

    Exit codes: 0 even if rooms are not in order (see `control check`); 2 the file is not valid.
    """
    from synadmin.cli.control.saved import added_to_plan, begin_plan
    from synadmin.cli.saved_plan import save

    source = ControlFile.read(file)
    with invocation.synapse() as synapse:
        rooms = find_rooms(invocation, synapse, source)
        outcomes: Counter[str] = Counter()
        reports = _counted(plan_rooms(invocation, synapse, rooms, allow), outcomes)
        saved: SavedPlan | None = None
        if save_plan is not None:
            saved = begin_plan(invocation, synapse, source, allow)
            reports = added_to_plan(saved, synapse, reports)
        write_reports(output, reports, rooms.selection.unmatched)
    invocation.say(summary(outcomes, len(rooms.selection.unmatched)))
    if saved is not None and save_plan is not None:
        save(invocation.say, saved, save_plan, "room")
    return EXIT_DONE


@click.command(cls=Command, calls=_CALLS)
@click.argument("file", metavar="FILE")
@ALLOW
@output_options
@pass_invocation
def check(invocation: Invocation, *, file: str, allow: str | None, output: Output) -> int:
    """Check that the rooms are as the file says.

    Made for cron: if everything is as the file says, it prints nothing and ends with 0. Otherwise it prints
    the same as `control plan`, and ends with 10.

    \b
    Examples:
        synadmin control check control.toml
        synadmin control check control.toml -o json > control.json

    Exit codes: 0 everything is as the file says; 10 something is not; 2 the file is not valid.
    """
    source = ControlFile.read(file)
    with invocation.synapse() as synapse:
        rooms = find_rooms(invocation, synapse, source)
        reports = list(plan_rooms(invocation, synapse, rooms, allow))
    unmatched = rooms.selection.unmatched
    if not unmatched and all(report.outcome == "in-order" for report in reports):
        return EXIT_DONE
    write_reports(output, reports, unmatched)
    invocation.say(summary(Counter(report.outcome for report in reports), len(unmatched)))
    return EXIT_FOUND


def plan_rooms(
    invocation: Invocation, synapse: "Synapse", rooms: ControlRooms, allow: str | None
) -> "Iterator[RoomReport]":
    """Yield the report of each room of a file; rooms that differ from an applied plan are refused."""
    from synadmin.control.plan import reports
    from synadmin.recovery.observer import Observer

    planned = reports(
        Observer(synapse, keeps_creators=True),
        rooms.looked_at,
        allow=reach_of(allow),
        notices=rooms.notices,
        at_once=invocation.settings.concurrency,
    )
    approved = map(plan_checker(invocation, synapse), planned)
    return progress(invocation, chain(rooms.unknown(), approved), total=rooms.total, what="looked at")


def plan_checker(invocation: Invocation, synapse: "Synapse") -> "Callable[[RoomReport], RoomReport]":
    """Return a function that refuses rooms that differ from the applied plan, if there is one."""
    plan = invocation.plan
    if plan is None:
        return lambda report: report
    from synadmin.cli.control.saved import kept_to_plan

    return partial(kept_to_plan, plan, synapse)


def _counted(reports: "Iterator[RoomReport]", outcomes: Counter[str]) -> "Iterator[RoomReport]":
    for report in reports:
        outcomes[report.outcome] += 1
        yield report
