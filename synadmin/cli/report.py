"""``synadmin report``: reports of events and users."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from synadmin.cli.input_files import EVENT_REPORTS, USER_REPORTS
from synadmin.cli.lazy import Group
from synadmin.cli.outcomes import NotAsAskedError, Record, done
from synadmin.cli.targets import REPORTS, any_user_id_of, counted, room_id_of
from synadmin.cli.verbs import Shown, changes, reads
from synadmin.columns import Column, time_column
from synadmin.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from synadmin.client import Synapse

_EVENT_COLUMNS = (
    Column("id", right=True, whole=True),
    time_column("received_ts", "received"),
    Column("user_id", title="by", whole=True, spare=True),
    Column("sender", title="about", whole=True),
    Column("reason", breakable=True),
    Column("name", title="room name", breakable=True, spare=True),
    Column("room_id", title="room", whole=True, spare=True),
    Column("canonical_alias", title="alias", shown=False),
    Column("score", right=True, shown=False),
    Column("event_id", title="event", whole=True, spare=True),
)
_USER_COLUMNS = (
    Column("id", right=True, whole=True),
    time_column("received_ts", "received"),
    Column("user_id", title="by", whole=True, spare=True),
    Column("target_user_id", title="about", whole=True),
    Column("reason", breakable=True),
)


@click.group(cls=Group)
def report() -> None:
    """List, show and dismiss reports of events and users.

    Event reports and user reports (--users) are numbered separately.
    """


def _columns(*, users: bool) -> tuple[Column, ...]:
    return _USER_COLUMNS if users else _EVENT_COLUMNS


@report.verb
@reads("reports.events", "reports.users", name="list", columns=_columns, empty="No reports.")
@click.option("--users", is_flag=True, help="List reports of users instead of reports of events.")
@click.option("--by", metavar="TEXT", help="Only reports by users with this text in their user id.")
@click.option("--about", metavar="USER", help="Only reports about this user, or about an event of this user.")
@click.option("--room", metavar="ROOM", help="Only reports about events in this room.")
@click.option("--oldest-first", is_flag=True, help="Oldest first [default: newest first].")
def list_(
    synapse: "Synapse",
    *,
    users: bool,
    by: str | None,
    about: str | None,
    room: str | None,
    oldest_first: bool,
) -> object:
    """List the reports, newest first.

    \b
    Examples:
        synadmin report list
        synadmin report list --room '#club:example.org' --about mallory
        synadmin report list --users -o ndjson
    """
    target = None if about is None else any_user_id_of(synapse, about)
    if users:
        return synapse.reports.users(user_id=by, target_user_id=target, oldest_first=oldest_first)
    return synapse.reports.events(
        user_id=by,
        room_id=None if room is None else room_id_of(synapse, room),
        event_sender_user_id=target,
        oldest_first=oldest_first,
    )


@list_.check
def _(*, users: bool, room: str | None) -> None:
    if users and room is not None:
        raise UsageError("--room is about reports of events, --users about reports of users: use only one")


@report.verb
@reads("reports.event", "reports.user")
@click.option("--users", is_flag=True, help="Show a report of a user instead of a report of an event.")
def show(synapse: "Synapse", report_id: str, *, users: bool) -> object:
    """Show a report; for an event, also the event.

    \b
    Examples:
        synadmin report show 12
        synadmin report show 3 --users -o json
    """
    sent = (synapse.reports.user if users else synapse.reports.event)(int(report_id)).as_sent()
    columns = [_detail(name) for name in sent if name != "received_ts"]
    return Shown(sent, [*columns[:1], time_column("received_ts", "received"), *columns[1:]])


def _detail(name: str) -> Column:
    return Column(name, _TITLES.get(name), terminal=_without_hashes if name == "event_json" else None)


def _without_hashes(event: object) -> object:
    """Return the type and the content of an event, without hashes and signatures."""
    if not isinstance(event, Mapping):
        return event
    return {name: event[name] for name in ("type", "content") if name in event}


_TITLES = {
    "user_id": "reported by",
    "sender": "about",
    "target_user_id": "about",
    "room_id": "room",
    "name": "room name",
    "canonical_alias": "room alias",
    "event_id": "event",
    "event_json": "event data",
}


@report.verb
@changes(REPORTS, "reports.delete_event", "reports.delete_user")
@click.option("--users", is_flag=True, help="Dismiss reports of users instead of reports of events.")
def dismiss(synapse: "Synapse", report_id: str, *, users: bool) -> Record:
    """Delete reports.

    The reported events and users do not change.

    \b
    Examples:
        synadmin report dismiss 12
        synadmin report dismiss --users 3 4 --yes
    """
    number = int(report_id)
    look = synapse.reports.user if users else synapse.reports.event
    look(number)  # also a dry run reports a missing report
    (synapse.reports.delete_user if users else synapse.reports.delete_event)(number)
    try:
        look(number)
    except NotFoundError:
        return done("deleted")
    raise NotAsAskedError(f"report {report_id} is still there, although the server said that it was deleted")


@dismiss.check
def _(*, users: bool) -> dict[str, Any]:
    return {"input": USER_REPORTS if users else EVENT_REPORTS}


@dismiss.question
def _(_: "Synapse", report_ids: list[str], *, users: bool) -> str:
    return f"Delete {counted(len(report_ids), 'user report' if users else 'event report')} permanently?"
