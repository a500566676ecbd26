"""Temporary changes: they are always reverted, the newest first.

Each change is recorded before it is made, with the request that reverts it: in the journal, which outlives a
crash, and in memory. At the end of the room or of the run it is reverted and read back; the next run reverts
what a crash left. Changes are reverted also where the journal can no longer be written.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Self
from urllib.parse import unquote

from synadmin.client import Synapse
from synadmin.errors import ConnectError, JournalError, MatrixError, NotAuthenticatedError, SynadminError
from synadmin.http.endpoint import Endpoint
from synadmin.http.transport import Transport
from synadmin.ids import UserId
from synadmin.journal import Journal, unrestored, was_refused
from synadmin.recovery import impersonation
from synadmin.recovery.impersonation import Impersonation
from synadmin.recovery.means import is_token
from synadmin.recovery.read_back import is_reverted


def abandoned(synapse: Synapse, journal: Journal) -> "list[tuple[str, Revert]]":
    """Return the changes that crashed runs have left on this server, newest first: run and revert."""
    return [
        (str(entry["run"]), Revert.of(entry))
        for entry in unrestored(journal.named, synapse.transport.homeserver)
        if not journal.is_alive(str(entry["run"]))
    ]


@dataclass(frozen=True, slots=True)
class Revert:
    """The request that reverts a temporary change.

    Attributes:
        method: the method of the request.
        path: its path, percent-encoded already.
        body: its body.
        user: the user as whom it is sent; None for the owner of the token.
        entry: the journal entry of the change.
        is_reverted: reads whether the change is reverted, where the request does not tell what to read.
        disables: the user whose account it disables again: a token to act as them is ended first.
        token: the journal's entry, where the change is a token to act as a user.
    """

    method: str
    path: str
    body: Mapping[str, Any] | None
    user: UserId | None = None
    entry: str = ""
    is_reverted: Callable[[], bool] | None = None
    disables: UserId | None = None
    token: Mapping[str, Any] | None = None

    @classmethod
    def by(
        cls,
        endpoint: Endpoint[Any],
        ids: Mapping[str, str],
        body: Mapping[str, Any] | None,
        *,
        user: UserId | None = None,
        disables: UserId | None = None,
    ) -> "Revert":
        """Return the revert that calls an endpoint; ``ids`` are the parameters of its path."""
        return cls(endpoint.method, endpoint.filled(ids), body, user, disables=disables)

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> "Revert":
        """Read a revert from a line of the journal."""
        back = entry["restoring"]
        user = back.get("user")
        return cls(
            str(back["method"]),
            str(back["path"]),
            back.get("body"),
            UserId(user) if user else None,
            str(entry["id"]),
            token=entry if is_token(back) else None,
        )

    def __str__(self) -> str:
        as_user = f" as {self.user}" if self.user else ""
        return f"{self.method} {unquote(self.path)}{as_user}"


class TemporaryChanges:
    """The temporary changes of one run. A context manager: on leaving, all are reverted."""

    def __init__(
        self,
        synapse: Synapse,
        sessions: Impersonation,
        journal: Journal,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Prepare; there is nothing to revert yet.

        Args:
            synapse: the server, with a server admin's token.
            sessions: the clients that act as other users.
            journal: where the changes are recorded.
            say: prints what could not be reverted.
        """
        self._synapse = synapse
        self._sessions = sessions
        self.journal = journal
        self.say = say
        self._made: list[Revert] = []
        self._failed: list[Revert] = []
        self._lasting: list[Revert] = []
        self._reverted = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        # What could not be reverted at the end of its room is tried once more.
        self._made = [*self._lasting, *reversed(self._failed), *self._made]
        self._failed, self._lasting = [], []
        left = self.revert_since()
        if isinstance(error, JournalError) and self._reverted:
            were = "change was" if self._reverted == 1 else "changes were"
            self.say(f"{self._reverted} temporary {were} reverted, and read back.")
        if left and error is None:
            message = f"not reverted: {'; '.join(map(str, left))}"
            raise SynadminError(message, hint="`synadmin journal resume last` tries again")

    def when_acting(self, does: Callable[[UserId], None]) -> None:
        """Set the function that is called with each user for whom the run gets a token."""
        self._sessions.opened = does

    @property
    def mark(self) -> int:
        """The number of changes so far, for :meth:`revert_since`."""
        return len(self._made)

    @contextmanager
    def apply(
        self,
        revert: Revert,
        *,
        by: UserId | None = None,
        is_made: Callable[[], bool] | None = None,
        transport: Transport | None = None,
        lasting: bool = False,
    ) -> Iterator[None]:
        """Make a temporary change: the one request that is sent in this ``with`` block.

        Args:
            revert: how the change is reverted.
            by: the user as whom the change is made; by default the user who reverts it.
            is_made: reads whether the change holds although the server refused it; by default, it holds if
                it is not reverted.
            transport: the transport of the request, where it is not that of the homeserver.
            lasting: keep the change until the end of the run, even if earlier changes are reverted.
        """
        transport = transport or self._sessions.of(by or revert.user or self._synapse.owner).transport
        back = {
            "method": revert.method,
            "path": revert.path,
            "body": revert.body,
            # This may be another user than the one who makes the change: one invites, the other rejects.
            "user": revert.user,
        }
        refused = False
        with transport.recording(restoring=back) as recorded:
            try:
                yield
            except MatrixError as error:
                # A refusal alone does not count: a proxy may refuse what the server has done.
                refused = was_refused(error.status) and not self._may_hold(revert, is_made)
                if refused:
                    self.journal.reverted(recorded.entry, "not made")
                raise
            except ConnectError as error:
                refused = not error.sent
                raise
            except JournalError:
                # No request was sent, unless only the answer could not be recorded.
                refused = not recorded.entry
                raise
            finally:
                if not refused:
                    made = self._lasting if lasting else self._made
                    made.append(replace(revert, entry=recorded.entry))

    def revert_since(self, mark: int = 0) -> list[Revert]:
        """Revert the changes since the mark, the newest first; return those that could not be reverted."""
        left: list[Revert] = []
        while len(self._made) > mark:
            # The change stays in the list until it is reverted: Ctrl-C may come here as well.
            revert = self._made[-1]
            try:
                if revert.disables in {other.user for other in left} - {None}:
                    raise SynadminError(f"an earlier step as {revert.disables} did not succeed")  # noqa: TRY301 - reported and kept as any other
                self.revert(revert)
            except SynadminError as error:
                self.say(f"warning: not reverted: {revert}: {error}")
                left.append(revert)
            else:
                self._reverted += 1
            self._made.pop()
        self._failed += left
        return left

    def keep(self, mark: int) -> None:
        """Make the changes since the mark permanent."""
        for revert in self._made[mark:]:
            self.journal.reverted(revert.entry, "it is to stay")
        del self._made[mark:]

    def revert(self, revert: Revert) -> None:
        """Revert one change, and read back that it is reverted.

        Raises:
            SynadminError: the change was not reverted.
        """
        with self.journal.optional():
            if revert.disables is not None:
                self._sessions.end(revert.disables)
            failure = self._send(revert)
            if not self._is_reverted(revert):
                message = "the server reported success, but reading back shows no change"
                raise failure or SynadminError(message)
        self.journal.reverted(revert.entry, "read back")

    def revert_crashed_runs(self) -> list[Revert]:
        """Revert the changes that crashed runs have left here; return those that could not be reverted."""
        left, failed = abandoned(self._synapse, self.journal), []
        for run, revert in left:
            if revert.token is not None:
                continue
            self.say(f"The run {run} ended before it could revert this: {revert}")
            try:
                if self._is_reverted(revert):
                    self.journal.reverted(revert.entry, "read back")
                else:
                    self.revert(revert)
            except NotAuthenticatedError:
                raise
            except SynadminError as error:
                self.say(f"warning: not reverted: {error}")
                failed.append(revert)
            else:
                self.say("It is reverted now.")
        # Tokens are ended last: to revert the other changes, the run acts as their users.
        return failed + [
            revert for _, revert in left if revert.token is not None and not self._end_token(revert.token)
        ]

    def _end_token(self, token: Mapping[str, Any]) -> bool:
        """End a token that a crashed run has left. A lost token stays open until it expires."""
        try:
            with self.journal.optional():
                still = impersonation.end_left(self._synapse, self.journal, token)
        except NotAuthenticatedError:
            raise
        except SynadminError as error:
            still = f"the token for {token['restoring']['user']} is still open: {error}"
        if still is not None:
            self.say(f"warning: {still}")
        return still is None

    def _send(self, revert: Revert) -> SynadminError | None:
        """Send the request that reverts a change; return its error. The change may be reverted even so."""
        # The path is percent-encoded, so nothing in it is a parameter to be filled in.
        endpoint = Endpoint(revert.method, revert.path, dict, idempotent=True)
        try:
            transport = self._synapse.transport_of(revert.path)
            if transport is self._synapse.transport:
                transport = self._sessions.of(revert.user or self._synapse.owner).transport
            else:
                endpoint = replace(endpoint, dialect="mas")
            with transport.recording(restores=revert.entry):
                transport.send(endpoint, body=revert.body)
        except SynadminError as error:
            return error
        return None

    def _may_hold(self, revert: Revert, is_made: Callable[[], bool] | None) -> bool:
        """Whether a refused change is in force nevertheless, or cannot be read."""
        try:
            return not self._is_reverted(revert) if is_made is None else is_made()
        except SynadminError:
            return True

    def _is_reverted(self, revert: Revert) -> bool:
        if revert.is_reverted is not None:
            return revert.is_reverted()
        method, path, body = revert.method, revert.path, revert.body
        return is_reverted(self._synapse, method, path, body, revert.user) is True
