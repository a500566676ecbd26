"""Runs on one room exclude each other on this machine."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from synadmin.client import Synapse
from synadmin.errors import JournalError, SettingsError
from synadmin.files import LockedError, locked
from synadmin.ids import RoomId
from synadmin.journal import Journal

_NAME = 3  # characters of the hash: two rooms may share a lock, and the directory stays small


@contextmanager
def room_lock(
    synapse: Synapse, journal: Journal, room_id: RoomId, say: Callable[[str], None] = lambda _: None
) -> Iterator[bool]:
    """Keep other runs on this machine from changing a room.

    Args:
        synapse: the server that the room is on.
        journal: its directory holds the locks.
        room_id: the room.
        say: prints that another run has to end first.

    Yields:
        Whether another run had the lock before: the room may have changed.

    Raises:
        JournalError: the lock cannot be made.
    """
    name = hashlib.sha256(f"{synapse.transport.homeserver} {room_id}".encode()).hexdigest()[:_NAME]
    path = journal.path.parent / "rooms" / name
    with ExitStack() as stack:
        waited = False
        try:
            stack.enter_context(locked(path, setting="SYNADMIN_JOURNAL"))
        except LockedError:
            waited = True
            say(f"Another run is changing {room_id}: waiting for it to end.")
            stack.enter_context(locked(path, wait=True, setting="SYNADMIN_JOURNAL"))
        except SettingsError as error:
            message = f"cannot write the journal: {error}; nothing was changed in {room_id}"
            raise JournalError(message, hint=error.hint) from None
        yield waited
