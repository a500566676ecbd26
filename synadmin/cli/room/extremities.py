"""``synadmin room forward-extremities``: the events of a room that no other event follows."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from synadmin.cli.outcomes import NotAsAskedError, Record, unchanged
from synadmin.cli.output import Output
from synadmin.cli.targets import ROOMS, room_id_of
from synadmin.cli.verbs import Shown, changes
from synadmin.columns import Column, time_column
from synadmin.errors import UsageError

if TYPE_CHECKING:
    from synadmin.client import Synapse
    from synadmin.ids import RoomId


@changes(
    ROOMS,
    "rooms.forward_extremities",
    "rooms.delete_forward_extremities",
    does="Clear",
    columns=[Column("deleted", right=True)],
    resumable=False,
)
@click.option("--clear", is_flag=True, help="Delete all but the newest.")
def forward_extremities(synapse: "Synapse", room_id: "RoomId") -> Record:
    """Show or delete the forward extremities of rooms.

    These are the events that no other event follows. --clear keeps only the newest.

    One is normal. Dozens make a room slow, because each new event has to join them.

    \b
    Examples:
        synadmin room forward-extremities '#club:example.org'
        synadmin room forward-extremities '!abcdef:example.org' --clear
    """
    if synapse.rooms.forward_extremities(room_id).count <= 1:
        return unchanged("nothing to delete", deleted=0)
    deleted = synapse.rooms.delete_forward_extremities(room_id).deleted
    left = synapse.rooms.forward_extremities(room_id).count
    if left > 1:
        raise NotAsAskedError(f"{deleted} were deleted, but {left} are left")
    return {"deleted": deleted}


@forward_extremities.check
def _(*, clear: bool, dry_run: bool) -> None:
    if dry_run and not clear:
        raise UsageError("--dry-run goes with --clear: without it nothing is changed anyway")


@forward_extremities.question
def _(_: "Synapse", rooms: list[str]) -> str:
    return f"Delete all forward extremities of {ROOMS.counted(len(rooms))} but the newest?"


@forward_extremities.shows
def _(synapse: "Synapse", rooms: list[str], *, clear: bool, output: Output) -> Shown | None:
    if clear:
        return None
    columns = [
        Column("room_id", title="room", shown=len(rooms) > 1 or output.form == "csv"),
        Column("event_id", title="event", whole=True),
        Column("state_group", title="state group", right=True),
        Column("depth", right=True),
        time_column("received_ts", "received"),
    ]
    return Shown(_extremities(synapse, rooms), columns, empty="None: this server is not in the room.")


def _extremities(synapse: "Synapse", names: list[str]) -> Iterator[Record]:
    for name in names:
        room_id = room_id_of(synapse, name)
        for event in synapse.rooms.forward_extremities(room_id).as_sent()["results"]:
            yield {"room_id": room_id, **event}
