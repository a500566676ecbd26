"""A room in words: what a person reads in a question about it."""

from typing import TYPE_CHECKING

from synadmin.cli.targets import counted
from synadmin.errors import NotFoundError
from synadmin.ids import RoomId
from synadmin.text import safe_text

if TYPE_CHECKING:
    from synadmin.client import Synapse


def describe_room(synapse: "Synapse", room: str) -> str:
    """Return a room's name, id and number of members; the id alone where the server does not know it."""
    try:
        details = synapse.rooms.get(RoomId(room))
    except NotFoundError:
        return room
    name = details.name or details.canonical_alias
    called = f"{safe_text(name)} ({room})" if name else room
    return f"{called} with {counted(details.joined_members or 0, 'member')}"
