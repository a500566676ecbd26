"""A run that changes rooms: the server, tokens of other users, temporary changes, locks."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import Self

from synadmin.client import Synapse
from synadmin.ids import RoomId, UserId
from synadmin.journal import Journal
from synadmin.recovery import rate_limits
from synadmin.recovery.impersonation import Impersonation
from synadmin.recovery.observer import Observer
from synadmin.recovery.room_lock import room_lock
from synadmin.recovery.temporary_changes import Revert, TemporaryChanges


class Recovery:
    """A run that changes rooms. On exit, temporary changes are reverted and tokens are ended.

    Attributes:
        synapse: the server, with a server admin's token.
        observer: reads rooms.
        temporary: the changes that are reverted at the end, also after an error.
        journal: where the changes are recorded.
        say: shows a message to the person who runs it.
    """

    def __init__(
        self,
        synapse: Synapse,
        journal: Journal,
        say: Callable[[str], None] = lambda _: None,
        *,
        via: tuple[str, ...] = (),
    ) -> None:
        """Prepare a run; nothing is sent.

        Args:
            synapse: the server, with a server admin's token.
            journal: where the changes are recorded.
            say: prints what could not be reverted, and that another run has to end first.
            via: servers to join rooms through.
        """
        self.synapse = synapse
        self.journal = journal
        self.say = say
        self.observer = Observer(synapse, via)
        self._sessions = Impersonation(synapse, say)
        self.temporary = TemporaryChanges(synapse, self._sessions, journal, say)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self._sessions)
        self._stack.enter_context(self.temporary)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def as_user(self, user: UserId) -> Synapse:
        """Return the server as a local user sees it; see :meth:`Impersonation.of`."""
        return self._sessions.of(user)

    def lock(self, room_id: RoomId) -> AbstractContextManager[bool]:
        """Keep other runs on this machine from changing a room; see :func:`room_lock`."""
        return room_lock(self.synapse, self.journal, room_id, self.say)

    def lift_rate_limits(self) -> None:
        """Lift every rate limit of the token's owner for the length of the run.

        Raises:
            SynadminError: the limits could not be lifted.
        """
        rate_limits.lift(self.synapse, self.temporary)

    def revert_crashed_runs(self) -> list[Revert]:
        """Revert the changes that crashed runs have left here; return those that could not be reverted.

        Raises:
            NotAuthenticatedError: the token is not valid.
        """
        left = self.temporary.revert_crashed_runs()
        self._sessions.close()
        return left


def revert_crashed_runs(synapse: Synapse, journal: Journal, say: Callable[[str], None]) -> list[Revert]:
    """Revert the changes that crashed runs have left here, for a run that does nothing else.

    Raises:
        NotAuthenticatedError: the token is not valid.
    """
    with Recovery(synapse, journal, say) as recovery:
        return recovery.revert_crashed_runs()
