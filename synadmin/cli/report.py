"""``synadmin report``: what users have reported."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from synadmin.cli.change import NotAsAskedError, change, counted
from synadmin.cli.confirm import change_options
from synadmin.cli.input_files import EVENT_REPORTS, USER_REPORTS, read_targets
from synadmin.cli.invocation import Invocation, pass_invocation
from synadmin.cli.lazy import Command, Group
from synadmin.cli.output import Output, output_options
from synadmin.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from synadmin.render import Column

_LARGEST_ID = 2**63 - 1


@click.group(cls=Group)
def report() -> None:
    """Reports: of events, and with --users of users. The two are numbered each for itself."""


@report.command("list", cls=Command, calls=["reports.events", "reports.users"])
@click.option("--users", is_flag=True, help="The reports of users instead of those of events.")
@click.option("--by", metavar="TEXT", help="Only by whom this is (part of) the user id of.")
@click.option("--about", metavar="USER", help="Only about this user, or about an event that this user sent.")
@click.option("--room", metavar="ROOM", help="Only about events in this room.")
@click.option("--oldest-first", is_flag=True, help="The newest come first otherwise.")
@output_options
@pass_invocation
def list_(
    invocation: Invocation,
    *,
    users: bool,
    by: str | None,
    about: str | None,
    room: str | None,
    oldest_first: bool,
    output: Output,
) -> None:
    """List the reports, newest first.

    \b
    Examples:
        synadmin report list
        synadmin report list --room '#club:example.org' --about mallory
        synadmin report list --users -o ndjson
    """
    from synadmin.cli.room.look import resolved
    from synadmin.ids import parse_user_id, server_name_of

    if users and room is not None:
        message = "--room is about events, --users about users: one of them"
        raise UsageError(message)
    with invocation.synapse() as synapse:
        target = None if about is None else parse_user_id(about, home=server_name_of(synapse.owner))
        if users:
            pager: Any = synapse.reports.users(user_id=by, target_user_id=target, oldest_first=oldest_first)
        else:
            pager = synapse.reports.events(
                user_id=by,
                room_id=None if room is None else resolved(synapse, room),
                event_sender_user_id=target,
                oldest_first=oldest_first,
            )
        output.stream(pager, _user_columns() if users else _event_columns(), empty="No reports.")


@report.command(cls=Command, calls=["reports.event", "reports.user"])
@click.argument("report_id", metavar="ID")
@click.option("--users", is_flag=True, help="The report of a user instead of that of an event.")
@output_options
@pass_invocation
def show(invocation: Invocation, report_id: str, *, users: bool, output: Output) -> None:
    """Show a report; that of an event with the event.

    \b
    Examples:
        synadmin report show 12
        synadmin report show 3 --users -o json
    """
    from synadmin.render import Column, time_of

    number = _parsed(report_id)
    with invocation.synapse() as synapse:
        found = (synapse.reports.user if users else synapse.reports.event)(number).as_sent()
    columns = [Column(name) for name in found if name != "received_ts"]
    received = Column("received_ts", title="received", value=lambda told: time_of(told.get("received_ts")))
    output.write_one(found, [*columns[:1], received, *columns[1:]])


@report.command(cls=Command, calls=["reports.delete_event", "reports.delete_user"])
@click.argument("report_ids", nargs=-1, metavar="ID...")
@click.option("--users", is_flag=True, help="Reports of users instead of those of events.")
@click.option("--from", "source", metavar="FILE|-", help="Read ids from a file, one a line.")
@change_options
@output_options
@pass_invocation
def dismiss(
    invocation: Invocation,
    report_ids: tuple[str, ...],
    *,
    users: bool,
    source: str | None,
    dry_run: bool,
    yes: bool,
    output: Output,
) -> int:
    """Delete reports. The events and users that they are about stay as they are.

    \b
    Examples:
        synadmin report dismiss 12
        synadmin report dismiss --users 3 4 --yes
    """
    wanted = {
        text: _parsed(text)
        for text in read_targets(report_ids, source, USER_REPORTS if users else EVENT_REPORTS)
    }
    kind = "user" if users else "event"
    with invocation.synapse() as synapse:

        def act(thing: str) -> Mapping[str, Any]:
            report_id = wanted[thing]
            (synapse.reports.delete_user if users else synapse.reports.delete_event)(report_id)
            try:
                (synapse.reports.user if users else synapse.reports.event)(report_id)
            except NotFoundError:
                return {}
            message = f"report {thing} is still there, although the server said that it was deleted"
            raise NotAsAskedError(message)

        return change(
            invocation,
            synapse,
            list(wanted),
            act,
            what="report_id",
            question=f"Delete {counted(len(wanted), f'{kind} report')} for good?",
            dry_run=dry_run,
            yes=yes,
            output=output,
        )


def _parsed(text: str) -> int:
    number = int(text) if text.isascii() and text.isdecimal() else -1
    if not 0 <= number <= _LARGEST_ID:
        message = f"{text!a} is not the number of a report"
        raise UsageError(message)
    return number


def _event_columns() -> "list[Column]":
    from synadmin.render import Column, time_of

    return [
        Column("id", right=True, whole=True),
        Column("received_ts", title="received", value=lambda told: time_of(told.get("received_ts"))),
        Column("user_id", title="by"),
        Column("sender", title="about"),
        Column("reason"),
        Column("name", title="room name"),
        Column("room_id", title="room"),
        Column("canonical_alias", title="alias", shown=False),
        Column("score", right=True, shown=False),
        Column("event_id", title="event"),
    ]


def _user_columns() -> "list[Column]":
    from synadmin.render import Column, time_of

    return [
        Column("id", right=True, whole=True),
        Column("received_ts", title="received", value=lambda told: time_of(told.get("received_ts"))),
        Column("user_id", title="by"),
        Column("target_user_id", title="about"),
        Column("reason"),
    ]
