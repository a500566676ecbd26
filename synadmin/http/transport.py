"""Send operations: encode, write the journal, send, retry, wait, decode."""

import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from synadmin.errors import (
    ConnectError,
    MatrixError,
    NotFoundError,
    RateLimitedError,
    ReplyError,
    ServerError,
    SettingsError,
    SynadminError,
    UnknownOutcomeError,
    UsageError,
)
from synadmin.http.answers import decoded, error_of
from synadmin.http.connection import Connection
from synadmin.http.endpoint import Endpoint
from synadmin.http.no_answer import FinalConnectError
from synadmin.http.wire import LimitedWire, Limiter, RequestsWire, Wire
from synadmin.ids import UserId
from synadmin.journal import NOT_SENT, Entry, Journal, path_without_secrets

if TYPE_CHECKING:
    from synadmin.http.reader import Answer

T = TypeVar("T")
Query = Mapping[str, str | int | bool | list[str] | None]
Body = Mapping[str, Any]

_ATTEMPTS = 4
_BACKOFF = 0.5  # seconds before the second attempt; doubles from there
_OK = 200
_UNAVAILABLE = frozenset({502, 503, 504})
_SHORTEST_PAUSE = 0.1  # seconds, where the server asks to wait and gives no time or a very short one
_SYNAPSE = re.compile(r"Synapse/([0-9]{1,4})\.([0-9]{1,4})")
_WHOAMI = Endpoint("GET", "/_matrix/client/v3/account/whoami", dict)


class DryRunStop(Exception):  # noqa: N818  the end of a dry run, not an error
    """Raised in a dry run in place of sending a change."""

    def __init__(self, method: str, path: str, body: Body | None) -> None:
        super().__init__(f"{method} {path}")
        self.method = method
        self.path = path
        self.body = body


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """The limits of retries.

    Attributes:
        longest_wait: the most seconds to wait in total when the server says "too many requests".
        notify: is called with a sentence when there is a wait.
        trace: is called for each request: method, path, status, milliseconds.
    """

    longest_wait: float = 60.0
    notify: Callable[[str], None] = lambda _: None
    trace: Callable[[str], None] | None = None


@dataclass(slots=True)
class Recorded:
    """The notes that are journaled with each change, and the entry of the latest change.

    Attributes:
        notes: the notes that are stored with each change.
        entry: the journal entry of the latest change; empty where none was sent.
    """

    notes: Mapping[str, object] = field(default_factory=dict)
    entry: str = ""


class Transport:
    """Sends operations to one homeserver, with one token."""

    def __init__(
        self,
        connection: Connection,
        wire: Wire,
        *,
        journal: Journal | None = None,
        retries: Retries | None = None,
        user: UserId | None = None,
        owner: UserId | None = None,
        dry_run: bool = False,
        recorded_as: str | None = None,
    ) -> None:
        """Prepare the transport; no request is sent yet.

        Args:
            connection: the URL of the homeserver, the token and the timeouts.
            wire: the wire that sends requests.
            journal: where every change is written down before it is sent.
            retries: the limits of retries.
            user: the owner of the token, if it is not the administrator.
            owner: the administrator; None: the server is asked.
            dry_run: raise DryRunStop where a change would be sent.
            recorded_as: the homeserver for the journal, where this is another service of it.
        """
        self.recorded_as = recorded_as or connection.homeserver
        self.connection = connection
        self._wire = wire
        self._journal = journal
        self._retries = retries or Retries()
        self._user = user
        self._owner = owner
        self._dry_run = dry_run
        self._recorded = Recorded()
        self._clock: tuple[str | None, float] = None, 0.0
        self._software = ""

    @property
    def homeserver(self) -> str:
        """Return the base URL."""
        return self.connection.homeserver

    def __repr__(self) -> str:
        return f"Transport({self.homeserver!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()

    def as_user(self, user_id: UserId, token: str) -> "Transport":
        """Return a transport with the token of another user, who is named in the journal."""
        self.owner()
        connection = replace(self.connection, token=token, renewed=None)
        return self._derived(connection, RequestsWire(connection), user=user_id)

    @property
    def is_dry_run(self) -> bool:
        """Whether it raises DryRunStop in place of changes."""
        return self._dry_run

    def dry_run(self) -> "Transport":
        """Return a transport over the same wire that reads, and raises DryRunStop in place of changes."""
        return self._derived(self.connection, self._wire, user=self._user, dry_run=True)

    def fast(self, limiter: Limiter | None = None) -> "Transport":
        """Return a transport to the same server, for many reads in several threads.

        Args:
            limiter: is asked before each request whether it may be sent now.
        """
        ordinary = RequestsWire(self.connection)
        wire: Wire = ordinary
        if self.connection.is_local or not ordinary.session.proxies:
            from synadmin.http.fast_wire import FastWire

            wire = FastWire(self.connection)
        if limiter is not None:
            wire = LimitedWire(wire, limiter)
        return self._derived(self.connection, wire, user=self._user)

    def _derived(
        self, connection: Connection, wire: Wire, *, user: UserId | None, dry_run: bool = False
    ) -> "Transport":
        return Transport(
            connection,
            wire,
            journal=self._journal,
            retries=self._retries,
            user=user,
            owner=self._owner,
            dry_run=dry_run or self._dry_run,
            recorded_as=self.recorded_as,
        )

    def beside(self, connection: Connection, wire: Wire | None = None) -> "Transport":
        """Return a transport to another service of the homeserver, with the same journal and owner."""
        if self.connection.token is not None:
            self.owner()  # the other service could not be asked
        return self._derived(connection, wire or RequestsWire(connection), user=None)

    @contextmanager
    def recording(self, **notes: object) -> Iterator[Recorded]:
        """Store notes in the journal entry of the change in the block; yield that entry.

        ``restoring`` (method, path, body) says how a temporary change is reverted, ``restores`` names
        the journal entry that this one reverts, ``before`` is the state before the change.
        """
        outer = self._recorded
        self._recorded = Recorded({**outer.notes, **notes})
        try:
            yield self._recorded
        finally:
            self._recorded = outer

    @property
    def journal(self) -> Journal | None:
        """The journal that changes are written to."""
        return self._journal

    def server_time(self) -> float:
        """Return the server's time in seconds since the epoch, by the ``Date`` of its latest answer.

        Without that header the time of this machine is returned.
        """
        from email.utils import parsedate_to_datetime

        date, read_at = self._clock
        if date is not None:
            with suppress(ValueError, OverflowError):
                return parsedate_to_datetime(date).timestamp() + time.monotonic() - read_at
        return time.time()

    def synapse_version(self) -> tuple[int, int] | None:
        """Return major and minor version by the ``Server`` header of the latest answer.

        None where a proxy put its own name there.
        """
        match = _SYNAPSE.match(self._software)
        return None if match is None else (int(match[1]), int(match[2]))

    def owner(self) -> UserId:
        """Return the token's owner, asked for once.

        Raises:
            NotAuthenticatedError: there is no token, or it is no longer valid.
        """
        if self._owner is None:
            answer = self.send(_WHOAMI)
            user_id = answer.get("user_id")
            if not isinstance(user_id, str):
                raise ReplyError(f"{_WHOAMI.path} did not say whose token this is")
            self._owner = UserId(user_id)
        return self._owner

    def send(
        self,
        endpoint: Endpoint[T],
        parameters: Mapping[str, str] | None = None,
        *,
        query: Query | None = None,
        body: Body | None = None,
    ) -> T:
        """Carry out an operation and return its decoded answer.

        Args:
            endpoint: the operation.
            parameters: fills the path's ``{parameters}``.
            query: the query; values that are None are left out.
            body: the JSON body; values that are ``msgspec.UNSET`` are left out, None is sent as null.

        Raises:
            MatrixError: the server answered with an error.
            ReplyError: the answer does not have the shape of this operation.
            ConnectError: there was no answer.
            UsageError: the query or body is text that cannot be sent.
            JournalError: the change could not be written to the journal, so it was not sent.
        """
        try:
            return decoded(endpoint, self.send_raw(endpoint, parameters, query=query, body=body))
        except ReplyError as error:
            if endpoint.changes and not error.sent:
                raise _with_unknown_outcome(error) from None
            raise

    def send_raw(
        self,
        endpoint: Endpoint[Any],
        parameters: Mapping[str, str] | None = None,
        *,
        query: Query | None = None,
        body: Body | None = None,
    ) -> bytes:
        """Carry out an operation and return the answer's bytes. See :meth:`send`."""
        if body is not None:
            body = {name: value for name, value in body.items() if value is not msgspec.UNSET}
        target, content = _written(self.connection, endpoint, parameters or {}, query, body)
        if self._dry_run and endpoint.changes:
            raise DryRunStop(endpoint.method, target, body)
        entry: Entry | None = None
        if self._journal is not None and endpoint.changes:
            entry = self._journal.begin(
                server=self.recorded_as,
                user=self._known_owner(),
                on_behalf_of=self._user,
                method=endpoint.method,
                path=target,
                body=body,
                notes=self._recorded.notes,
            )
            self._recorded.entry = entry.id
        try:
            status, raw = self._until_answered(endpoint, parameters or {}, target, content)
        except MatrixError as error:
            if self._journal is not None and entry is not None:
                self._journal.finish(entry, status=error.status, errcode=error.errcode)
            raise
        except ReplyError as error:
            raise (_with_unknown_outcome(error) if endpoint.changes else error) from None
        except (ConnectError, SettingsError) as error:
            sent = isinstance(error, ConnectError) and error.sent
            if self._journal is not None and entry is not None and not sent:
                self._journal.finish(entry, status=None, errcode=NOT_SENT)
            raise
        if self._journal is not None and entry is not None:
            self._journal.finish(entry, status=status)
        return raw

    def _known_owner(self) -> UserId | None:
        # Signing in is a change without a token, so there is no owner yet.
        return self._owner if self.connection.token is None else self.owner()

    def _until_answered(
        self, endpoint: Endpoint[Any], parameters: Mapping[str, str], target: str, content: bytes | None
    ) -> tuple[int, bytes]:
        waited = spent = 0.0
        attempt = 1
        sent = False
        while True:
            started = time.monotonic()
            try:
                return self._attempt(endpoint, target, content)
            except RateLimitedError as error:
                pause = error.retry_after if error.retry_after is not None else 2.0**attempt
                pause = max(pause, _SHORTEST_PAUSE)
                if not endpoint.repeatable or waited + pause > self._retries.longest_wait:
                    raise
                waited += pause
                seconds = f"{pause:.{0 if pause >= 1 else 1}f}"
                self._retries.notify(f"the server asks to wait {seconds} s before the next request: waiting")
            except ConnectError as error:
                # An earlier attempt may have been carried out, even if a later one was not sent.
                sent = error.sent = error.sent or sent
                spent += time.monotonic() - started
                final = isinstance(error, FinalConnectError) or not self._may_repeat(attempt, spent)
                if final or (error.sent and not endpoint.repeatable):
                    raise
                pause = _pause(attempt)
            except ServerError as error:
                # A proxy may answer 502 or 504 while the server behind it still carries out the request.
                sent = True
                spent += time.monotonic() - started
                final = error.status not in _UNAVAILABLE or not self._may_repeat(attempt, spent)
                if final or not endpoint.repeatable:
                    raise _failed(error, endpoint) from None
                pause = _pause(attempt)
            except NotFoundError as error:
                if not sent or not endpoint.changes:
                    raise
                return self._verified_deletion(endpoint, parameters, error)
            attempt += 1
            time.sleep(pause)

    def _may_repeat(self, attempt: int, spent: float) -> bool:
        # A request that timed out is not repeated: else one timeout would become four.
        return attempt < _ATTEMPTS and spent < self.connection.timeout

    def _verified_deletion(
        self, endpoint: Endpoint[Any], parameters: Mapping[str, str], error: NotFoundError
    ) -> tuple[int, bytes]:
        """Return the answer to a deletion, after a check that the resource is gone."""
        if endpoint.absent is not None:
            try:
                self.send_raw(endpoint.absent, parameters)
            except NotFoundError:
                return _OK, b"{}"
            except SynadminError:
                pass
        message = (
            f"{endpoint.method} {endpoint.path}: the first attempt got no answer, the second one: {error}. "
            "The first one may have been carried out"
        )
        raise UnknownOutcomeError(message, answer=error) from None

    def _attempt(self, endpoint: Endpoint[Any], target: str, content: bytes | None) -> tuple[int, bytes]:
        started = time.monotonic()
        answer: Answer | None = None
        try:
            answer = self._wire.exchange(endpoint.method, target, content)
        finally:
            if self._retries.trace is not None:
                took = (time.monotonic() - started) * 1000
                status = "no answer" if answer is None else answer.status
                line = f"{endpoint.method} {target} -> {status} ({took:.0f} ms)"
                self._retries.trace(path_without_secrets(line))
        self._clock = answer.headers.get("date"), time.monotonic()
        self._software = answer.headers.get("server", "")
        if 200 <= answer.status < 300:  # noqa: PLR2004
            return answer.status, answer.content
        raise error_of(answer, endpoint)


def _failed(error: ServerError, endpoint: Endpoint[Any]) -> SynadminError:
    """Return the error to raise. If a proxy answered a change, the server may have carried it out."""
    if not (endpoint.changes and error.by_proxy):
        return error
    message = f"{error}. The server may have carried it out"
    return UnknownOutcomeError(
        message, answer=error, hint=error.hint or "check the server before you run it again"
    )


def _with_unknown_outcome(error: ReplyError) -> ReplyError:
    """Return the error for a change whose answer cannot be used."""
    unknown = ReplyError(f"{error}. The server may have carried it out", hint=error.hint)
    unknown.sent = True
    return unknown


def _pause(attempt: int) -> float:
    pause = _BACKOFF * 2.0 ** (attempt - 1)
    return pause + random.uniform(0, pause / 2)  # noqa: S311  jitter, not a secret


def _written(
    connection: Connection,
    endpoint: Endpoint[Any],
    parameters: Mapping[str, str],
    query: Query | None,
    body: Body | None,
) -> tuple[str, bytes | None]:
    """Return the path with its query, and the body, encoded for sending."""
    try:
        target = endpoint.filled(parameters) + _encoded_query(query)
        if connection.is_form:
            return target, urlencode(body or {}).encode()
        return target, None if body is None else msgspec.json.encode(body)
    except UnicodeEncodeError:
        message = f"{endpoint.method} {endpoint.path}: what was to be sent is not valid Unicode text"
        raise UsageError(message) from None


def _encoded_query(query: Query | None) -> str:
    pairs: list[tuple[str, str]] = []
    for name, value in (query or {}).items():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, bool):
                pairs.append((name, "true" if item else "false"))
            elif item is not None:
                pairs.append((name, str(item)))
    return "?" + urlencode(pairs, quote_via=quote, safe="") if pairs else ""
