"""``synadmin control plan`` and ``check``: what is not as the file says; nothing is changed."""

from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING

import click

from synadmin.cli.control.report import (
    ALLOW,
    ControlRooms,
    find_rooms,
    reach_of,
    read_file,
    summary,
    write_reports,
)
from synadmin.cli.exit_codes import EXIT_DONE, EXIT_FOUND
from synadmin.cli.invocation import Invocation, pass_invocation
from synadmin.cli.lazy import Command
from synadmin.cli.output import Output, output_options
from synadmin.cli.progress import progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from synadmin.client import Synapse
    from synadmin.control.records import RoomReport

_CALLS = ("rooms.state", "rooms.list")


@click.command(cls=Command, calls=_CALLS)
@click.argument("file", metavar="FILE")
@ALLOW
@output_options
@pass_invocation
def plan(invocation: Invocation, *, file: str, allow: str | None, output: Output) -> int:
    """Show what is not as the file says, and the steps.

    Looks at the rooms that the file matches. For each room that is not as the file says it shows the
    differences and every step that `control apply` would take, or why the room is refused. Nothing is
    changed.

    \b
    Examples:
        synadmin control plan control.toml
        synadmin control plan control.toml --allow impersonate -o json

    Exit codes: 0 also where rooms are not in order (`control check` tells); 2 the file is not valid.
    """
    entries = read_file(file)
    with invocation.synapse() as synapse:
        rooms = find_rooms(invocation, synapse, entries, file)
        outcomes: Counter[str] = Counter()
        reports = _counted(plan_rooms(invocation, synapse, rooms, allow), outcomes)
        write_reports(output, reports, rooms.selection.unmatched)
    invocation.say(summary(outcomes, len(rooms.selection.unmatched)))
    return EXIT_DONE


@click.command(cls=Command, calls=_CALLS)
@click.argument("file", metavar="FILE")
@ALLOW
@output_options
@pass_invocation
def check(invocation: Invocation, *, file: str, allow: str | None, output: Output) -> int:
    """Check that the rooms are as the file says.

    Made for cron: where everything is as the file says, it prints nothing and ends with 0. Else it prints
    what `control plan` prints, and ends with 10.

    \b
    Examples:
        synadmin control check control.toml
        synadmin control check control.toml -o json > control.json

    Exit codes: 0 everything is as the file says; 10 something is not; 2 the file is not valid.
    """
    entries = read_file(file)
    with invocation.synapse() as synapse:
        rooms = find_rooms(invocation, synapse, entries, file)
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
    """Yield the report of each room of a file."""
    from synadmin.control.plan import reports
    from synadmin.recovery.observer import Observer

    planned = reports(
        Observer(synapse, keeps_creators=True),
        rooms.looked_at,
        allow=reach_of(allow),
        notices=rooms.notices,
        at_once=invocation.settings.concurrency,
    )
    return progress(invocation, chain(rooms.unknown(), planned), total=rooms.total, what="looked at")


def _counted(reports: "Iterator[RoomReport]", outcomes: Counter[str]) -> "Iterator[RoomReport]":
    for report in reports:
        outcomes[report.outcome] += 1
        yield report
