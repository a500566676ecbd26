"""``synadmin room purge-history|purge-status``: removing a room's older events."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from synadmin.cli.change import change, counted
from synadmin.cli.confirm import change_options
from synadmin.cli.follow import follow
from synadmin.cli.input_files import ROOMS, read_targets
from synadmin.cli.invocation import Invocation, pass_invocation
from synadmin.cli.lazy import Command
from synadmin.cli.output import Output, output_options
from synadmin.cli.parameters import PAST_TIME
from synadmin.cli.room.named import Rooms
from synadmin.errors import UsageError

if TYPE_CHECKING:
    from synadmin.api.history import PurgeStatus
    from synadmin.client import Synapse
    from synadmin.ids import RoomId


class EventOrTime(click.ParamType[int | str]):
    """An event id, or a moment in milliseconds since the epoch."""

    name = "event or time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:  # noqa: ANN401
        """Return the event id as text, or the milliseconds as a number."""
        if isinstance(value, str) and value.startswith("$"):
            from synadmin.ids import parse_event_id

            return parse_event_id(value)
        return PAST_TIME.convert(value, param, ctx)


@click.command("purge-history", cls=Command, calls=["history.purge"])
@click.argument("rooms", nargs=-1, metavar="ROOM...")
@click.option("--from", "source", metavar="FILE|-", help="Read rooms from a file, one a line.")
@click.option(
    "--before",
    metavar="TIME|EVENT",
    type=EventOrTime(),
    required=True,
    help="What is older than this goes: 90d, 2026-01-31, or an event of the room.",
)
@click.option(
    "--delete-local-events",
    is_flag=True,
    help="Also what this server's own users sent, which may exist nowhere else.",
)
@click.option("--no-wait", is_flag=True, help="Print the id of the purge, and do not wait for its end.")
@change_options
@output_options
@pass_invocation
def purge_history(
    invocation: Invocation,
    rooms: tuple[str, ...],
    *,
    source: str | None,
    before: int | str,
    delete_local_events: bool,
    no_wait: bool,
    dry_run: bool,
    yes: bool,
    output: Output,
) -> int:
    """Remove the older events of rooms from this server's database.

    The rooms themselves, their state and their newest event stay. Other servers keep what they have, and
    this one may fetch it from them again when somebody scrolls up.

    \b
    Examples:
        synadmin room purge-history '#club:example.org' --before 365d
        synadmin room purge-history '!abcdef:example.org' --before '$event-id' --delete-local-events
        synadmin room purge-history --from big-rooms.txt --before 2026-01-31 --yes --no-wait
    """
    from synadmin.ids import EventId, parse_room
    from synadmin.render import Column, plain

    named = [parse_room(room) for room in read_targets(rooms, source, ROOMS)]
    event_id = EventId(before) if isinstance(before, str) else None
    if event_id is not None and len(named) > 1:
        message = "an event is in one room only: name that room, or a time for several"
        raise UsageError(message)
    with invocation.synapse() as synapse:
        found = Rooms(invocation, synapse, named)

        def act(room: str) -> Mapping[str, Any]:
            room_id = found.id_of(room)
            started = _purge(synapse, room_id, before, local=delete_local_events)
            told = {"purge_id": started}
            if no_wait:
                words = f"the server goes on with it: {_again(started)}"
                return told | {"outcome": "pending", "message": words}
            status = _followed(invocation, synapse, started, what=f"purging the history of {room_id}")
            return told | {"status": status.status}

        question = None
        if not dry_run and not yes:
            question = plain(
                f"Remove {_boundary(synapse, before)} from {_subject(synapse, found)}, "
                f"{'that of' if delete_local_events else 'but not that of'} this server's own users"
                f"{' too, for good' if delete_local_events else ''}?",
            )
        return change(
            invocation,
            synapse,
            found.names,
            act,
            what="room_id",
            question=question,
            dry_run=dry_run,
            yes=yes,
            output=output,
            columns=[Column("purge_id", title="purge"), Column("status", shown=False)],
        )


@click.command("purge-status", cls=Command, calls=["history.purge_status"])
@click.argument("purge_id", metavar="ID")
@click.option("--wait", is_flag=True, help="Wait until it has ended.")
@output_options
@pass_invocation
def purge_status(invocation: Invocation, purge_id: str, *, wait: bool, output: Output) -> None:
    """Tell how far the purge of a room's history is. The server remembers it for a week.

    \b
    Examples:
        synadmin room purge-status vViGiqTmZpaPVUwH
        synadmin room purge-status vViGiqTmZpaPVUwH --wait
    """
    from synadmin.render import Column

    with invocation.synapse() as synapse:
        if wait:
            status = _followed(invocation, synapse, purge_id, what=f"purge {purge_id}")
        else:
            status = synapse.history.purge_status(purge_id)
    output.write_one(status.as_sent(), [Column("status"), Column("error")])


def _purge(synapse: "Synapse", room_id: "RoomId", before: int | str, *, local: bool) -> str:
    import msgspec

    from synadmin.ids import EventId

    return synapse.history.purge(
        room_id,
        up_to_event_id=EventId(before) if isinstance(before, str) else msgspec.UNSET,
        up_to_ts=before if isinstance(before, int) else msgspec.UNSET,
        delete_local_events=True if local else msgspec.UNSET,
    ).purge_id


def _again(purge_id: str) -> str:
    return f"synadmin room purge-status {purge_id} --wait"


def _followed(invocation: Invocation, synapse: "Synapse", purge_id: str, *, what: str) -> "PurgeStatus":
    return follow(
        invocation,
        lambda: synapse.history.purge_status(purge_id),
        what=what,
        again=_again(purge_id),
    )


def _boundary(synapse: "Synapse", before: int | str) -> str:
    from synadmin.ids import EventId
    from synadmin.render import time_of

    if isinstance(before, int):
        return f"all events before {time_of(before)}"
    event = synapse.events.fetch(EventId(before)).event
    return f"all events before {before} ({event.type} by {event.sender}, {time_of(event.origin_server_ts)})"


def _subject(synapse: "Synapse", rooms: Rooms) -> str:
    if len(rooms.names) > 1:
        return counted(len(rooms.names), "room")
    details = synapse.rooms.get(rooms.id_of(rooms.names[0]))
    name = details.name or details.canonical_alias
    called = f"{name} ({details.room_id})" if name else details.room_id
    return f"{called} with {counted(details.joined_members, 'member')}"
