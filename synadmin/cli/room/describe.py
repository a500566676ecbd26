"""Describe rooms for a question."""

from typing import TYPE_CHECKING

from synadmin.cli.targets import ROOMS, counted
from synadmin.errors import NotFoundError
from synadmin.ids import RoomId
from synadmin.text import safe_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from synadmin.client import Synapse


def describe_rooms(synapse: "Synapse", rooms: "Sequence[str]") -> str:
    """Return the name, id and member count of one room (only the id if unknown), or the number of several."""
    if len(rooms) > 1:
        return ROOMS.counted(len(rooms))
    (room,) = rooms
    try:
        details = synapse.rooms.get(RoomId(room))
    except NotFoundError:
        return room
    name = details.name or details.canonical_alias
    called = f"{safe_text(name)} ({room})" if name else room
    return f"{called} with {counted(details.joined_members or 0, 'member')}"
