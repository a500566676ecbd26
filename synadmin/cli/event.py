"""``synadmin event``: show an event."""

from typing import TYPE_CHECKING

import click

from synadmin.cli.lazy import Group
from synadmin.cli.verbs import reads
from synadmin.columns import Column, time_column

if TYPE_CHECKING:
    from synadmin.client import Synapse
    from synadmin.ids import EventId

_COLUMNS = (
    Column("event_id", title="event", whole=True),
    Column("room_id", title="room"),
    Column("type"),
    Column("state_key", title="key"),
    Column("sender"),
    time_column("origin_server_ts", "time"),
    Column("content"),
    Column("depth", right=True),
    Column("redacts", shown=False),
    Column("unsigned", shown=False),
    Column("auth_events", shown=False),
    Column("prev_events", shown=False),
    Column("hashes", shown=False),
    Column("signatures", shown=False),
)


@click.group(cls=Group)
def event() -> None:
    """Show events.

    `synadmin room messages` and `synadmin room context` show those of a room.
    """


@event.verb
@reads("events.fetch", columns=_COLUMNS)
def show(synapse: "Synapse", event_id: "EventId") -> object:
    """Show an event as servers exchange it.

    You need not be in its room. The content of a redacted event is shown as long as the server keeps it: a
    week, unless its configuration says otherwise.

    \b
    Examples:
        synadmin event show '$event-id'
        synadmin event show '$event-id' -o json
    """
    return synapse.events.fetch(event_id).as_sent()["event"]
