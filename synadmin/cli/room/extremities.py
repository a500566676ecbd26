"""``synadmin room forward-extremities``: the ends of a room's history."""

from collections.abc import Iterator, Mapping
from typing import Any

import click

from synadmin.cli.change import NotAsAskedError, change, counted
from synadmin.cli.confirm import change_options
from synadmin.cli.input_files import ROOMS, read_targets
from synadmin.cli.invocation import Invocation, pass_invocation
from synadmin.cli.lazy import Command
from synadmin.cli.output import Output, output_options
from synadmin.cli.room.look import resolved
from synadmin.cli.room.named import Rooms
from synadmin.errors import UsageError


@click.command(
    "forward-extremities",
    cls=Command,
    calls=["rooms.forward_extremities", "rooms.delete_forward_extremities"],
)
@click.argument("rooms", nargs=-1, metavar="ROOM...")
@click.option("--from", "source", metavar="FILE|-", help="Read rooms from a file, one a line.")
@click.option("--clear", is_flag=True, help="Forget all but the newest.")
@change_options
@output_options
@pass_invocation
def forward_extremities(
    invocation: Invocation,
    rooms: tuple[str, ...],
    *,
    source: str | None,
    clear: bool,
    dry_run: bool,
    yes: bool,
    output: Output,
) -> int:
    """Show the events of rooms that no other event follows yet; --clear forgets all but the newest.

    One is usual. Where there are dozens, the room is slow: each new event has to bring them together.

    \b
    Examples:
        synadmin room forward-extremities '#club:example.org'
        synadmin room forward-extremities '!abcdef:example.org' --clear
    """
    from synadmin.ids import parse_room
    from synadmin.render import Column, time_of

    named = [parse_room(room) for room in read_targets(rooms, source, ROOMS)]
    if dry_run and not clear:
        message = "--dry-run goes with --clear: without it nothing is changed anyway"
        raise UsageError(message)
    with invocation.synapse() as synapse:
        if not clear:

            def rows() -> Iterator[Mapping[str, Any]]:
                for room in named:
                    room_id = resolved(synapse, room)
                    for one in synapse.rooms.forward_extremities(room_id).as_sent()["results"]:
                        yield {"room_id": room_id, **one}

            columns = [
                Column("room_id", title="room", shown=len(named) > 1 or output.form == "csv"),
                Column("event_id", title="event"),
                Column("state_group", title="state group", right=True),
                Column("depth", right=True),
                Column("received_ts", title="received", value=lambda row: time_of(row["received_ts"])),
            ]
            output.write(rows(), columns, empty="None: this server is not in the room.")
            return 0

        found = Rooms(invocation, synapse, named)

        def act(room: str) -> Mapping[str, Any]:
            room_id = found.id_of(room)
            before = synapse.rooms.forward_extremities(room_id).count
            if before <= 1:
                return {"deleted": 0, "message": "there is nothing to tidy"}
            deleted = synapse.rooms.delete_forward_extremities(room_id).deleted
            left = synapse.rooms.forward_extremities(room_id).count
            if left > 1:
                message = f"{deleted} were deleted, but {left} are there afterwards"
                raise NotAsAskedError(message)
            return {"deleted": deleted}

        return change(
            invocation,
            synapse,
            found.names,
            act,
            what="room_id",
            question=f"Forget all ends of the history of {counted(len(found.names), 'room')} but the newest?",
            dry_run=dry_run,
            yes=yes,
            output=output,
            columns=[Column("deleted", right=True)],
        )
