"""``synadmin room messages|context|event-at``: the events of a room."""

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from synadmin.cli.output import Output
from synadmin.cli.parameters import ANY_TIME, json_object
from synadmin.cli.targets import user_id_of
from synadmin.cli.verbs import reads
from synadmin.columns import Column, time_column

if TYPE_CHECKING:
    from synadmin.client import Synapse
    from synadmin.ids import EventId, RoomId

_LARGEST_PAGE = 500


def event_text(event: Mapping[str, Any]) -> object:
    """Return the text of an event; its content where it has no text."""
    content = event.get("content")
    body = content.get("body") if isinstance(content, Mapping) else None
    if isinstance(body, str):
        return body
    redacted = not content and isinstance(event.get("redacted_because"), Mapping)
    return "(redacted)" if redacted else content


_COLUMNS = (
    time_column("origin_server_ts", "time"),
    Column("sender"),
    Column("type"),
    Column("content", value=event_text, breakable=True),
    Column("event_id", title="event", whole=True, spare=True),
    Column("state_key", title="key", shown=False),
    Column("room_id", title="room", shown=False),
    Column("redacts", shown=False),
    Column("unsigned", shown=False),
)


@reads(
    "events.messages",
    columns=_COLUMNS,
    empty="No such event: this server may know no events of this room.",
)
@click.option("-n", "--limit", type=click.IntRange(min=1), default=50, help="Number of events [default: 50].")
@click.option("--all", "everything", is_flag=True, help="All events.")
@click.option("--oldest-first", is_flag=True, help="Oldest first, from the room's beginning.")
@click.option("--type", "types", metavar="TYPE", multiple=True, help="Only events of this type; repeatable.")
@click.option(
    "--sender", "senders", metavar="USER", multiple=True, help="Only what this user sent; repeatable."
)
@click.option("--filter", "filter_", metavar="JSON", help="A RoomEventFilter of the Matrix specification.")
@click.option("--start", metavar="TOKEN", help="Begin at this token: a start or end of `room context`.")
@click.option("--end", metavar="TOKEN", help="Stop at this token.")
@click.option("--raw", is_flag=True, help="The raw events, with hashes and signatures.")
def messages(
    synapse: "Synapse",
    room_id: "RoomId",
    *,
    limit: int,
    everything: bool,
    oldest_first: bool,
    types: tuple[str, ...],
    senders: tuple[str, ...],
    filter_: dict[str, Any],
    start: str | None,
    end: str | None,
    raw: bool,
) -> object:
    """List the events of a room, newest first.

    You do not have to be in the room. Encrypted events stay encrypted.

    \b
    Examples:
        synadmin room messages '#club:example.org' --limit 20
        synadmin room messages '!abcdef:example.org' --type m.room.message \\
            --sender alice
        synadmin room messages '!abcdef:example.org' --all -o ndjson
    """
    if types:
        filter_["types"] = list(types)
    if senders:
        filter_["senders"] = [user_id_of(synapse, sender) for sender in senders]
    pager = synapse.events.messages(
        room_id,
        backwards=not oldest_first,
        start=start,
        end=end,
        filter=filter_ or None,
        raw=raw,
        page_size=_LARGEST_PAGE if everything else min(limit, _LARGEST_PAGE),
    )
    return pager if everything else (event.as_sent() for event in itertools.islice(pager, limit))


@reads("events.context")
@click.option("-n", "--limit", type=click.IntRange(min=0), help="Number of events around it [default: 10].")
@click.option("--filter", "filter_", metavar="JSON", help="A RoomEventFilter of the Matrix specification.")
def context(
    synapse: "Synapse",
    room_id: "RoomId",
    event_id: "EventId",
    *,
    limit: int | None,
    filter_: dict[str, Any],
    output: Output,
) -> None:
    """Show the events before and after an event.

    Use it for an event that was reported.

    -o json also has the room's state at that time, and tokens for `room messages`.

    \b
    Examples:
        synadmin room context '#club:example.org' '$event-id'
        synadmin room context '!abcdef:example.org' '$event-id' --limit 40 -o json
    """
    answer = synapse.events.context(room_id, event_id, limit=limit, filter=filter_ or None).as_sent()
    if output.form == "json":
        output.write_one(answer, _COLUMNS)
        return
    rows = [
        *({"position": "before"} | event for event in reversed(answer["events_before"])),
        {"position": "event"} | answer["event"],
        *({"position": "after"} | event for event in answer["events_after"]),
    ]
    output.write(rows, [Column("position"), *_COLUMNS])


@messages.check
@context.check
def _(*, filter_: str | None) -> dict[str, Any]:
    return {"filter_": json_object(filter_, "--filter") if filter_ is not None else {}}


@reads(
    "events.at_time",
    columns=(Column("event_id", title="event", whole=True), time_column("origin_server_ts", "time")),
)
@click.argument("time", type=ANY_TIME)
@click.option("--before", is_flag=True, help="Find the last event at or before it, not the first after it.")
def event_at(synapse: "Synapse", room_id: "RoomId", time: int, *, before: bool) -> object:
    """Find the event of a room that is closest to a time.

    By default the first event at that time or later.

    TIME is 30d (ago), 2026-01-31, 2026-01-31T12:00 (UTC) or milliseconds since 1970.

    \b
    Examples:
        synadmin room event-at '#club:example.org' 2026-01-31
        synadmin room event-at '!abcdef:example.org' 30d --before
    """
    return synapse.events.at_time(room_id, time, backwards=before)
