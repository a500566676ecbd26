"""``synadmin room messages|context|event-at``: what was said and done in a room."""

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from synadmin.cli.invocation import Invocation, pass_invocation
from synadmin.cli.lazy import Command
from synadmin.cli.output import Output, output_options
from synadmin.cli.parameters import ANY_TIME
from synadmin.cli.room.look import resolved
from synadmin.errors import UsageError

if TYPE_CHECKING:
    from synadmin.render import Column

_LARGEST_PAGE = 500


@click.command(cls=Command, calls=["events.messages"])
@click.argument("room")
@click.option("-n", "--limit", type=click.IntRange(min=1), default=50, help="How many; 50, unless given.")
@click.option("--all", "everything", is_flag=True, help="All there are.")
@click.option("--oldest-first", is_flag=True, help="From the room's beginning, not from its end.")
@click.option("--type", "types", metavar="TYPE", multiple=True, help="Only events of this type; repeatable.")
@click.option(
    "--sender", "senders", metavar="USER", multiple=True, help="Only what this user sent; repeatable."
)
@click.option("--filter", "filter_", metavar="JSON", help="A RoomEventFilter of the Matrix specification.")
@click.option("--start", metavar="TOKEN", help="Begin here: a start or end of `room context`.")
@click.option("--end", metavar="TOKEN", help="Stop here.")
@click.option("--raw", is_flag=True, help="As servers exchange them, with hashes and signatures.")
@output_options
@pass_invocation
def messages(
    invocation: Invocation,
    room: str,
    *,
    limit: int,
    everything: bool,
    oldest_first: bool,
    types: tuple[str, ...],
    senders: tuple[str, ...],
    filter_: str | None,
    start: str | None,
    end: str | None,
    raw: bool,
    output: Output,
) -> None:
    """List the events of a room, the newest first.

    You need not be in the room. What is encrypted stays so.

    \b
    Examples:
        synadmin room messages '#club:example.org' --limit 20
        synadmin room messages '!abcdef:example.org' --type m.room.message --sender alice
        synadmin room messages '!abcdef:example.org' --all -o ndjson
    """
    from synadmin.ids import parse_user_id, server_name_of

    chosen = _parsed_filter(filter_)
    with invocation.synapse() as synapse:
        if types:
            chosen["types"] = list(types)
        if senders:
            home = server_name_of(synapse.owner)
            chosen["senders"] = [parse_user_id(sender, home=home) for sender in senders]
        pager = synapse.events.messages(
            resolved(synapse, room),
            backwards=not oldest_first,
            start=start,
            end=end,
            filter=chosen or None,
            raw=raw,
            page_size=_LARGEST_PAGE if everything else min(limit, _LARGEST_PAGE),
        )
        empty = "No such event: this server may know none of this room."
        if everything:
            output.stream(pager, _columns(), empty=empty)
        else:
            events = (event.as_sent() for event in itertools.islice(pager, limit))
            output.write(events, _columns(), empty=empty)


@click.command(cls=Command, calls=["events.context"])
@click.argument("room")
@click.argument("event")
@click.option(
    "-n", "--limit", type=click.IntRange(min=0), help="How many around it, altogether; 10, unless given."
)
@click.option("--filter", "filter_", metavar="JSON", help="A RoomEventFilter of the Matrix specification.")
@output_options
@pass_invocation
def context(
    invocation: Invocation,
    room: str,
    event: str,
    *,
    limit: int | None,
    filter_: str | None,
    output: Output,
) -> None:
    """Show what came before and after an event, such as one that was reported.

    -o json has the room's state at that time too, and tokens for `room messages`.

    \b
    Examples:
        synadmin room context '#club:example.org' '$event-id'
        synadmin room context '!abcdef:example.org' '$event-id' --limit 40 -o json
    """
    from synadmin.ids import parse_event_id
    from synadmin.render import Column

    event_id = parse_event_id(event)
    chosen = _parsed_filter(filter_)
    with invocation.synapse() as synapse:
        found = synapse.events.context(
            resolved(synapse, room), event_id, limit=limit, filter=chosen or None
        ).as_sent()
    if output.form == "json":
        output.write_one(found, _columns())
        return
    rows = [
        *({"position": "before"} | one for one in reversed(found["events_before"])),
        {"position": "event"} | found["event"],
        *({"position": "after"} | one for one in found["events_after"]),
    ]
    marked = Column("position", title="", value=lambda row: "->" if row["position"] == "event" else "")
    output.write(rows, [marked if output.for_people else Column("position"), *_columns()])


@click.command("event-at", cls=Command, calls=["events.at_time"])
@click.argument("room")
@click.argument("time", type=ANY_TIME)
@click.option("--before", is_flag=True, help="The last event at or before it, not the first at or after it.")
@output_options
@pass_invocation
def event_at(invocation: Invocation, room: str, time: int, *, before: bool, output: Output) -> None:
    """Find the event of a room that is nearest to a moment: the first one at or after it.

    TIME is 30d (ago), 2026-01-31, 2026-01-31T12:00 (UTC) or milliseconds since 1970.

    \b
    Examples:
        synadmin room event-at '#club:example.org' 2026-01-31
        synadmin room event-at '!abcdef:example.org' 30d --before
    """
    from synadmin.render import Column, time_of

    with invocation.synapse() as synapse:
        found = synapse.events.at_time(resolved(synapse, room), time, backwards=before)
    columns = [
        Column("event_id", title="event"),
        Column("origin_server_ts", title="time", value=lambda event: time_of(event["origin_server_ts"])),
    ]
    output.write_one(found.as_sent(), columns)


def _parsed_filter(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    import json

    try:
        parsed = json.loads(text)
    except ValueError as error:
        message = f"--filter is not JSON: {error}"
        raise UsageError(message) from None
    if not isinstance(parsed, dict):
        message = "--filter is not a JSON object"
        raise UsageError(message)
    return parsed


def said(event: Mapping[str, Any]) -> object:
    """Return what an event says, for a person: the text where it has one, else its content."""
    content = event.get("content")
    body = content.get("body") if isinstance(content, Mapping) else None
    if isinstance(body, str):
        return body
    redacted = not content and isinstance(event.get("redacted_because"), Mapping)
    return "(redacted)" if redacted else content


def _columns() -> "list[Column]":
    from synadmin.render import Column, time_of

    return [
        Column("origin_server_ts", title="time", value=lambda event: time_of(event.get("origin_server_ts"))),
        Column("sender"),
        Column("type"),
        Column("content", value=said),
        Column("event_id", title="event"),
        Column("state_key", title="key", shown=False),
        Column("room_id", title="room", shown=False),
        Column("redacts", shown=False),
        Column("unsigned", shown=False),
    ]
