"""Acting for a short time as other local users, with tokens that live for minutes and are ended when done.

Such a token makes no device and touches none of the user's own sessions. Synapse has no way to list or to
end it but the token itself. So the journal has it as a temporary change before it is made, and the token is
in a file beside the journal (mode 0600, never in the journal) until it is read back as ended: what a crash
leaves, the next run ends.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from synadmin import files
from synadmin.api.client_server import LOGOUT
from synadmin.client import Synapse
from synadmin.errors import MatrixError, NotAuthenticatedError, SettingsError, SynadminError
from synadmin.ids import UserId
from synadmin.journal import Journal

_LIFE = 180.0  # seconds by the server's clock; what a crash leaves behind is worthless after that
_RENEWED = 60.0  # seconds after which a new token is taken: a request may take as long as that again
_TRIES = 2


@dataclass(frozen=True, slots=True)
class _Open:
    synapse: Synapse
    entry: str
    until: float


class Impersonation:
    """The ways to the server as the users that this run acts as.

    A context manager: on leaving, every token is ended.
    """

    def __init__(self, synapse: Synapse, say: Callable[[str], None] = lambda _: None) -> None:
        """Prepare; nobody is logged in before they are needed.

        Args:
            synapse: the server, with a server admin's token.
            say: is told where a token could not be ended.
        """
        self._synapse = synapse
        self._say = say
        self._open: dict[UserId, _Open] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def of(self, user: UserId) -> Synapse:
        """Return the server as this user sees it; the token's owner acts with the token it has.

        Raises:
            NotFoundError: there is no such user.
            NotSupportedError: the Matrix Authentication Service keeps the accounts of this server.
        """
        if user == self._synapse.owner:
            return self._synapse
        transport = self._synapse.transport
        held = self._open.get(user)
        if held is not None and held.until - transport.server_time() > _LIFE - _RENEWED:
            return held.synapse
        if held is not None:
            self.end(user)
        until = transport.server_time() + _LIFE
        back = {"method": LOGOUT.method, "path": LOGOUT.path, "body": {}, "user": user}
        with transport.recording(restoring={**back, "valid_until_ms": int(until * 1000)}) as recorded:
            try:
                token = self._synapse.users.login(user, valid_until_ms=int(until * 1000)).access_token
            except BaseException as error:
                if not isinstance(error, MatrixError) or error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                    self._say(f"warning: a token for {user} may have been made. It expires {_at(until)}")
                raise
        _keep(transport.journal, recorded.entry, token)
        held = _Open(self._synapse.as_user(user, token), recorded.entry, until)
        self._open[user] = held
        return held.synapse

    def end(self, user: UserId) -> None:
        """End the token of one user, where there is one."""
        held = self._open.get(user)
        if held is None:
            return
        try:
            if not _ended(held.synapse, held.entry):
                self._say(f"warning: the token for {user} could not be ended. It expires {_at(held.until)}")
        finally:
            self._open.pop(user, None)
            held.synapse.transport.close()

    def close(self) -> None:
        """End every token."""
        for user in list(self._open):
            self.end(user)


def is_token(entry: Mapping[str, Any]) -> bool:
    """Whether an entry of the journal is the making of a token."""
    return bool(entry["restoring"].get("path") == LOGOUT.path)


def end_left(synapse: Synapse, journal: Journal, entry: Mapping[str, Any]) -> str | None:
    """End a token that a run has left; return what to know where that is not possible.

    It has ended where its secret is refused, and where its time is over by the server's clock. Deactivating
    the account does not end it: Synapse keeps it as a token of the admin who asked for it.
    """
    user, until = UserId(entry["restoring"]["user"]), entry["restoring"].get("valid_until_ms", 0) / 1000
    token = _kept(journal, entry["id"])
    if token is not None:
        with synapse.as_user(user, token) as acting:
            if _ended(acting, entry["id"]):
                return None
    synapse.client_server.whoami()  # its answer has the server's time
    if synapse.transport.server_time() > until + 1:
        _forget(journal, entry["id"], "expired")
        return None
    return f"a token for {user} may still be valid, and its secret is lost. It expires {_at(until)}"


def _ended(acting: Synapse, entry: str) -> bool:
    """End a token, and read back that it is refused."""
    journal = acting.transport.journal
    for _ in range(_TRIES):
        try:
            with acting.transport.recording(restores=entry), _optional(journal):
                acting.client_server.logout()
        except SynadminError:
            pass  # what counts is read back
        try:
            acting.client_server.whoami()
        except NotAuthenticatedError as error:
            # A locked account's token is refused as well, and lives on.
            if error.errcode == "M_UNKNOWN_TOKEN":
                _forget(journal, entry, "ended")
                return True
        except SynadminError:
            pass
    return False


def _optional(journal: Journal | None) -> AbstractContextManager[None]:
    return nullcontext() if journal is None else journal.optional()


def _file(journal: Journal, entry: str) -> Path:
    return journal.path.with_name(f"{journal.path.name}.{entry}.token")


def _keep(journal: Journal | None, entry: str, token: str) -> None:
    if journal is not None and entry:
        with suppress(SettingsError):  # a full disk: then it ends with this run, or expires
            files.replace_file(_file(journal, entry), token)


def _kept(journal: Journal, entry: str) -> str | None:
    try:
        return _file(journal, entry).read_text("utf-8").strip() or None
    except (OSError, UnicodeError):
        return None


def _forget(journal: Journal | None, entry: str, reason: str) -> None:
    """Record that a token has ended, and remove its file."""
    if journal is not None and entry:
        journal.reverted(entry, reason)
        with suppress(OSError):
            _file(journal, entry).unlink(missing_ok=True)


def _at(until: float) -> str:
    return f"by itself at {datetime.fromtimestamp(until, UTC):%H:%M:%S} UTC"
