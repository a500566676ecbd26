"""``synadmin room purge-history|purge-status``: delete the older events of rooms."""

from typing import TYPE_CHECKING, Any

import click

from synadmin.cli.outcomes import Record, unchanged
from synadmin.cli.parameters import PAST_TIME, given
from synadmin.cli.room.describe import describe_rooms
from synadmin.cli.server_task import Task
from synadmin.cli.targets import ROOMS
from synadmin.cli.verbs import reads, server_task
from synadmin.columns import Column, local_time
from synadmin.errors import NotFoundError, UsageError
from synadmin.ids import EventId, RoomId, parse_event_id

if TYPE_CHECKING:
    from synadmin.cli.invocation import Invocation
    from synadmin.client import Synapse

_PURGE = Task(
    field="purge_id",
    poll=lambda synapse, purge_id: synapse.history.purge_status(purge_id),
    doing="purging the history of {}",
    status_command="room purge-status",
)


class EventOrTime(click.ParamType[int | str]):
    """An event id, or a time in milliseconds since the epoch."""

    name = "event or time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:  # noqa: ANN401
        """Return the event id as text, or the milliseconds as a number."""
        if isinstance(value, str) and value.startswith("$"):
            return parse_event_id(value)
        return PAST_TIME.convert(value, param, ctx)


@server_task(
    ROOMS,
    "history.purge",
    task=_PURGE,
    columns=(Column("purge_id", title="purge"), Column("status", shown=False)),
)
@click.option(
    "--before",
    metavar="TIME|EVENT",
    type=EventOrTime(),
    required=True,
    help="Delete events before this: 90d, 2026-01-31, or an event of the room.",
)
@click.option(
    "--delete-local-events",
    is_flag=True,
    help="Also delete events of local users, which no other server may have.",
)
def purge_history(
    synapse: "Synapse", room_id: RoomId, *, before: int | str, delete_local_events: bool
) -> "str | Record":
    """Delete the older events of rooms from the database.

    The rooms, their state and their newest event stay. Other servers keep their copies. This server may fetch
    the events from them again when a user scrolls up.

    \b
    Examples:
        synadmin room purge-history '#club:example.org' --before 365d
        synadmin room purge-history '!abcdef:example.org' --before '$event-id' \\
            --delete-local-events
        synadmin room purge-history --from big-rooms.txt --before 2026-01-31 \\
            --yes --no-wait
    """
    try:
        boundary = "up_to_event_id" if isinstance(before, str) else "up_to_ts"
        options = given(**{boundary: before}, delete_local_events=delete_local_events or None)
        return synapse.history.purge(room_id, **options).purge_id
    except NotFoundError:
        if isinstance(before, str):
            raise
        # The server gives the same answer for an unknown room.
        synapse.rooms.get(room_id)
        return unchanged(f"nothing is older than {local_time(before)}")


@purge_history.guard
def _(_: "Synapse", rooms: list[str], *, before: int | str) -> None:
    if isinstance(before, str) and len(rooms) > 1:
        raise UsageError("an event is in one room only: name that room, or a time for several")


@purge_history.question
def _(synapse: "Synapse", rooms: list[str], *, before: int | str, delete_local_events: bool) -> str:
    local = (
        "Events of local users are deleted permanently, too."
        if delete_local_events
        else "Events of local users stay."
    )
    which = describe_rooms(synapse, rooms)
    return f"{_boundary(synapse, before)} will be deleted from {which}. {local} Continue?"


@purge_history.finish
def _(
    _: "Synapse",
    room_id: RoomId,
    _purge_id: str,
    status: object,
    *,
    before: int | str,
    delete_local_events: bool,
) -> Record:
    del room_id, status  # Synapse does not report the number of events
    moment = local_time(before) if isinstance(before, int) else before
    kept = (
        "the state of the room" if delete_local_events else "events of local users and the state of the room"
    )
    return {"status": "complete", "message": f"deleted: events before {moment}; kept: {kept}"}


@reads("history.purge_status", columns=(Column("status"), Column("error")))
@click.argument("purge_id", metavar="ID")
@click.option("--wait", is_flag=True, help="Wait until the purge has ended.")
def purge_status(synapse: "Synapse", purge_id: str, *, wait: bool, invocation: "Invocation") -> object:
    """Show the progress of a history purge.

    The server keeps it for a week.

    \b
    Examples:
        synadmin room purge-status vViGiqTmZpaPVUwH
        synadmin room purge-status vViGiqTmZpaPVUwH --wait
    """
    if wait:
        return _PURGE.wait_for(invocation, synapse, purge_id, what=f"purge {purge_id}")
    return synapse.history.purge_status(purge_id)


def _boundary(synapse: "Synapse", before: int | str) -> str:
    if isinstance(before, int):
        return f"All events before {local_time(before)}"
    event = synapse.events.fetch(EventId(before)).event
    return (
        f"All events before {before} ({event.type} by {event.sender}, {local_time(event.origin_server_ts)})"
    )
