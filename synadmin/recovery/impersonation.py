"""Acting for a short time as other local users, with tokens that expire in minutes and are ended after use.

Such a token makes no device and does not affect the user's sessions. Synapse cannot list it, and only the
token itself can end it. So the journal records the token as a temporary change before it is made. The token
is kept in a file beside the journal (mode 0600, never in the journal) until it is read back as ended: after a
crash, the next run ends it. Where the Matrix Authentication Service makes the tokens, they are found by their
name, and no file is needed.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from http import HTTPStatus
from typing import Any, Self

from synadmin.client import Synapse
from synadmin.errors import MatrixError, RefusedError, SynadminError
from synadmin.ids import UserId
from synadmin.journal import Journal
from synadmin.recovery import means
from synadmin.recovery.means import Means, SynapseMeans, means_of
from synadmin.recovery.token_file import forget, keep


@dataclass(frozen=True, slots=True)
class _OpenToken:
    synapse: Synapse
    entry: str
    until: float
    token: str = field(repr=False)
    restoring: Mapping[str, Any]


class Impersonation:
    """The clients of the users that this run acts as.

    A context manager: on leaving, every token is ended.
    """

    def __init__(self, synapse: Synapse, say: Callable[[str], None] = lambda _: None) -> None:
        """Prepare; a user's token is made when it is needed.

        Args:
            synapse: the server, with a server admin's token.
            say: prints that a token could not be ended.
        """
        self._synapse = synapse
        self._say = say
        self._open: dict[UserId, _OpenToken] = {}
        self.opened: Callable[[UserId], None] = lambda _: None
        """Is called when there is a token to act as a user."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def of(self, user: UserId) -> Synapse:
        """Return the server as this user sees it; the token's owner keeps the present token.

        Raises:
            NotFoundError: there is no such user.
            RefusedError: the Matrix Authentication Service manages the accounts, and its admin API cannot be
                used.
        """
        if user == self._synapse.owner:
            return self._synapse
        transport, ways = self._synapse.transport, self._means
        held = self._open.get(user)
        if held is not None and held.until - transport.server_time() > ways.life - ways.renewed:
            return held.synapse
        if held is not None:
            self.end(user)
        until = transport.server_time() + ways.life
        back = ways.restoring(user, until)
        with ways.transport.recording(restoring=back) as recorded:
            try:
                token = ways.make(user, back)
            except BaseException as error:
                self._not_made(error, recorded.entry, back, until)
                raise
        if isinstance(ways, SynapseMeans):
            keep(transport.journal, recorded.entry, token)
        held = _OpenToken(self._synapse.as_user(user, token), recorded.entry, until, token, back)
        self._open[user] = held
        self.opened(user)
        return held.synapse

    def _not_made(self, error: BaseException, entry: str, back: Mapping[str, Any], until: float) -> None:
        """End the token that a failed request may have made, or say when it expires."""
        if isinstance(error, MatrixError) and error.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return
        if not entry or isinstance(error, RefusedError):
            return
        with suppress(SynadminError):
            if self._means.end(entry, back, None):
                return
        self._say(f"warning: a token for {back['user']} may have been made. It expires {_at(until)}")

    @cached_property
    def _means(self) -> Means:
        return means_of(self._synapse)

    def end(self, user: UserId) -> None:
        """End the token of one user, where there is one."""
        held = self._open.get(user)
        if held is None:
            return
        try:
            if not self._means.end(held.entry, held.restoring, held.token):
                self._say(f"warning: the token for {user} could not be ended. It expires {_at(held.until)}")
        finally:
            self._open.pop(user, None)
            held.synapse.transport.close()

    def close(self) -> None:
        """End every token."""
        for user in list(self._open):
            self.end(user)


def end_left(synapse: Synapse, journal: Journal, entry: Mapping[str, Any]) -> str | None:
    """End a token that a crashed run has left; return a warning where that is not possible.

    The token has ended if the server refuses it, or if it has expired by the server's clock. Deactivating
    the account does not end it: Synapse keeps it as a token of the admin who requested it.
    """
    restoring = entry["restoring"]
    user, until = UserId(restoring["user"]), restoring.get("valid_until_ms", 0) / 1000
    if means.end_left(synapse, entry["id"], restoring):
        return None
    synapse.client_server.whoami()  # its answer has the server's time
    if synapse.transport.server_time() > until + 1:
        forget(journal, entry["id"], "expired")
        return None
    return f"a token for {user} may still be valid, and its secret is lost. It expires {_at(until)}"


def _at(until: float) -> str:
    return f"by itself at {datetime.fromtimestamp(until, UTC):%H:%M:%S} UTC"
