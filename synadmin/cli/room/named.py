"""Rooms as a person names them, in commands that change many of them."""

from typing import TYPE_CHECKING

from synadmin.cli.invocation import Invocation
from synadmin.cli.progress import progress
from synadmin.cli.room.look import resolved
from synadmin.errors import JournalError, NotAuthenticatedError, SynadminError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from synadmin.client import Synapse
    from synadmin.ids import RoomAlias, RoomId


class Rooms:
    """The rooms that a command is to change, each once.

    Every alias is asked for once, before anything is changed: what the question was about is what is changed
    then, even where an alias moves meanwhile. A deletion moves the room's own aliases to its new room.

    Attributes:
        names: their ids; an alias as it was typed where it leads to none.
    """

    def __init__(
        self, invocation: Invocation, synapse: "Synapse", typed: "Sequence[RoomId | RoomAlias]"
    ) -> None:
        """Ask for the aliases.

        Raises:
            SynadminError: the only room there was is not known, or the journal or the token ended all of it.
        """
        self._unknown: dict[str, SynadminError] = {}
        names: dict[str, None] = {}
        for room in progress(invocation, typed, total=len(typed), what="looked up"):
            name: str = room
            try:
                name = resolved(synapse, room)
            except SynadminError as error:
                if len(typed) == 1 or isinstance(error, JournalError | NotAuthenticatedError):
                    raise
                self._unknown[room] = error
            names[name] = None
        self.names = list(names)

    def id_of(self, name: str) -> "RoomId":
        """Return the id of one of the names.

        Raises:
            SynadminError: it is an alias that leads to none.
        """
        from synadmin.ids import RoomId

        if name in self._unknown:
            raise self._unknown[name]
        return RoomId(name)
