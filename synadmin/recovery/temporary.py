"""Changes for a while: whatever happens, they are put back, the newest first.

A change is written down, with how it is put back, before it is made: in the journal, which outlives a
crash, and in memory. At the end of the room or of the run it is put back and looked at; what a crash
left is put back by the next run.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote

from synadmin.client import Synapse
from synadmin.errors import ConnectError, MatrixError, SynadminError
from synadmin.http.endpoint import Endpoint
from synadmin.http.transport import Recorded
from synadmin.ids import UserId
from synadmin.journal import Journal, is_moot, unrestored
from synadmin.recovery.sessions import Sessions

_OK = 200
_TOO_MANY_REQUESTS = 429
_SERVER_FAILED = 500


def mend(synapse: Synapse, journal: Journal, say: Callable[[str], None]) -> "list[Restoration]":
    """Put back what runs that crashed have left on this server; return what could not be.

    Args:
        synapse: the server, with a server admin's token.
        journal: where they wrote it down.
        say: is told what is put back.
    """
    with Sessions(synapse, say) as sessions, Temporary(synapse, sessions, journal, say) as temporary:
        return temporary.mend()


def abandoned(synapse: Synapse, journal: Journal) -> "list[tuple[str, Restoration]]":
    """Return what runs that crashed have left on this server, newest first: run, and what puts it back."""
    return [
        (str(entry["run"]), Restoration.of(entry))
        for entry in unrestored(journal.path, synapse.transport.homeserver)
        if not journal.is_alive(str(entry["run"]))
    ]


@dataclass(frozen=True, slots=True)
class Restoration:
    """How a temporary change is put back.

    Attributes:
        method: of the request that does it.
        path: its path, percent-encoded already.
        body: its body.
        user: in whose name it is sent; None for the token's owner.
        entry: the journal entry of the change.
        is_so: looks whether it is as it was.
        asleep: whose account it puts back to sleep: a token to act as them is ended first, while it can be.
    """

    method: str
    path: str
    body: Mapping[str, Any] | None
    user: UserId | None = None
    entry: str = ""
    is_so: Callable[[], bool] | None = None
    asleep: UserId | None = None

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> "Restoration":
        """Read it from the journal's line."""
        back = entry["restoring"]
        user = back.get("user")
        return cls(
            str(back["method"]),
            str(back["path"]),
            back.get("body"),
            UserId(user) if user else None,
            str(entry["id"]),
        )

    def __str__(self) -> str:
        as_user = f" as {self.user}" if self.user else ""
        return f"{self.method} {unquote(self.path)}{as_user}"


class Temporary:
    """The temporary changes of one run. A context manager: on leaving, all are put back."""

    def __init__(
        self,
        synapse: Synapse,
        sessions: Sessions,
        journal: Journal,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Prepare; there is nothing to put back yet.

        Args:
            synapse: the server, with a server admin's token.
            sessions: the ways to it as other users.
            journal: where the changes are written down.
            say: is told where something could not be put back.
        """
        self._synapse = synapse
        self._sessions = sessions
        self._journal = journal
        self._say = say
        self._made: list[Restoration] = []
        self._failed: list[Restoration] = []
        self._alive = journal.alive()

    def __enter__(self) -> Self:
        self._alive.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            # What could not be put back at the end of its room is tried once more.
            self._made, self._failed = [*self._failed, *self._made], []
            left = self.put_back()
        finally:
            self._alive.__exit__(None, None, None)
        if left and error is None:
            message = f"could not be put back: {'; '.join(map(str, left))}"
            raise SynadminError(message, hint="the next run tries again; `synadmin journal list` shows it")

    @property
    def mark(self) -> int:
        """Return where we are, for :meth:`put_back` to come back to."""
        return len(self._made)

    @contextmanager
    def making(self, restoration: Restoration, *, by: UserId | None = None) -> Iterator[None]:
        """Make a temporary change in here: one request.

        Args:
            restoration: how it is put back.
            by: in whose name it is made; the one that puts it back, unless said otherwise.
        """
        transport = self._sessions.of(by or restoration.user or self._synapse.owner).transport
        back = {
            "method": restoration.method,
            "path": restoration.path,
            "body": restoration.body,
            # Not always who makes the change: one invites, and the other turns it down.
            "user": restoration.user,
        }
        refused = False
        recorded = Recorded()
        try:
            with transport.recording(restoring=back) as recorded:
                yield
        except MatrixError as error:
            # An error that is not about rates or a failure means: it was not done.
            refused = error.status < _SERVER_FAILED and error.status != _TOO_MANY_REQUESTS
            raise
        except ConnectError as error:
            refused = not error.sent
            raise
        finally:
            if not refused:
                self._made.append(replace(restoration, entry=recorded.entry))

    def put_back(self, mark: int = 0) -> list[Restoration]:
        """Put back what was changed since the mark, the newest first; return what could not be."""
        left = []
        while len(self._made) > mark:
            # It stays in the list until it is done: Ctrl-C may come here as well.
            restoration = self._made[-1]
            try:
                self.restore(restoration)
            except SynadminError as error:
                self._say(f"Not put back: {restoration}: {error}")
                left.append(restoration)
            self._made.pop()
        self._failed += left
        return left

    def keep(self, mark: int) -> None:
        """Let what was changed since the mark stay as it is."""
        for restoration in self._made[mark:]:
            line = self._journal.begin(
                server=self._synapse.transport.homeserver,
                user=self._synapse.owner,
                on_behalf_of=restoration.user,
                method="-",
                path=f"not to be put back any more: {restoration.entry}",
                body=None,
                notes={"restores": restoration.entry},
            )
            self._journal.finish(line, status=_OK)
        del self._made[mark:]

    def restore(self, restoration: Restoration) -> None:
        """Put one change back.

        Raises:
            SynadminError: that did not succeed.
        """
        if restoration.asleep is not None:
            self._sessions.end(restoration.asleep)
        acting = self._sessions.of(restoration.user or self._synapse.owner)
        # The path is percent-encoded, so nothing in it is a parameter to be filled in.
        endpoint = Endpoint(restoration.method, restoration.path, dict, idempotent=True)
        try:
            with acting.transport.recording(restores=restoration.entry):
                acting.transport.send(endpoint, body=restoration.body)
        except MatrixError as error:
            if not is_moot(restoration.path, error.status, error.errcode):
                raise
        if restoration.is_so is not None and not restoration.is_so():
            message = "the server said yes, but it does not show"
            raise SynadminError(message)

    def mend(self) -> list[Restoration]:
        """Put back what runs that crashed have left on this server; return what could not be."""
        left = []
        for run, restoration in abandoned(self._synapse, self._journal):
            self._say(f"The run {run} ended before it could put this back: {restoration}")
            try:
                self.restore(restoration)
            except MatrixError as error:
                self._say(f"That did not succeed: {error}")
                left.append(restoration)
            else:
                self._say("It is as it was before that run now.")
        return left
