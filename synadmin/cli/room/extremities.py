"""``synadmin room forward-extremities``: the ends of a room's history."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from synadmin.cli.confirm import change_options
from synadmin.cli.invocation import Invocation, pass_invocation
from synadmin.cli.lazy import Command
from synadmin.cli.outcomes import BulkChange, NotAsAskedError, Record, carry_out, unchanged
from synadmin.cli.output import Output, output_options
from synadmin.cli.targets import ROOMS, room_id_of
from synadmin.columns import Column, time_column
from synadmin.errors import UsageError

if TYPE_CHECKING:
    from synadmin.client import Synapse


@click.command(
    "forward-extremities",
    cls=Command,
    calls=["rooms.forward_extremities", "rooms.delete_forward_extremities"],
)
@click.argument("rooms", nargs=-1, metavar="ROOM...")
@click.option("--from", "source", metavar="FILE|-", help="Read rooms from a file, one a line.")
@click.option("--clear", is_flag=True, help="Delete all but the newest.")
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
    """Show or delete the forward extremities of rooms.

    These are the events that no other event follows. --clear keeps only the newest.

    One is usual. Where there are dozens, the room is slow: each new event has to bring them together.

    \b
    Examples:
        synadmin room forward-extremities '#club:example.org'
        synadmin room forward-extremities '!abcdef:example.org' --clear
    """
    names = ROOMS.read(rooms, source)
    if dry_run and not clear:
        message = "--dry-run goes with --clear: without it nothing is changed anyway"
        raise UsageError(message)
    with invocation.synapse() as synapse:
        if clear:
            work = BulkChange(
                ROOMS,
                ROOMS.resolve(synapse, names),
                act=_clear,
                does="Clear",
                question=lambda left: (
                    f"Delete all forward extremities of {ROOMS.counted(len(left))} but the newest?"
                ),
                columns=[Column("deleted", right=True)],
            )
            return carry_out(invocation, synapse, work, dry_run=dry_run, yes=yes, output=output)
        columns = [
            Column("room_id", title="room", shown=len(names) > 1 or output.form == "csv"),
            Column("event_id", title="event", whole=True),
            Column("state_group", title="state group", right=True),
            Column("depth", right=True),
            time_column("received_ts", "received"),
        ]
        output.write(_extremities(synapse, names), columns, empty="None: this server is not in the room.")
        return 0


def _extremities(synapse: "Synapse", names: list[str]) -> Iterator[Record]:
    for name in names:
        room_id = room_id_of(synapse, name)
        for event in synapse.rooms.forward_extremities(room_id).as_sent()["results"]:
            yield {"room_id": room_id, **event}


def _clear(synapse: "Synapse", room: str) -> Record:
    from synadmin.ids import RoomId

    room_id = RoomId(room)
    if synapse.rooms.forward_extremities(room_id).count <= 1:
        return unchanged("nothing to delete", deleted=0)
    deleted = synapse.rooms.delete_forward_extremities(room_id).deleted
    left = synapse.rooms.forward_extremities(room_id).count
    if left > 1:
        message = f"{deleted} were deleted, but {left} are left"
        raise NotAsAskedError(message)
    return {"deleted": deleted}
