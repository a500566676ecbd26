"""Sending a request and making sense of the answer, whatever it is.

``requests`` lives in this layer and nowhere else, and none of its exceptions leaves it.
"""

import errno
import random
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeVar
from urllib.parse import quote, urlencode, urlsplit

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
from synadmin.http.endpoint import Endpoint
from synadmin.http.reply import Answer, decoded, error_of
from synadmin.ids import UserId
from synadmin.journal import NOT_SENT, Entry, Journal, path_without_secrets
from synadmin.settings import checked_token, is_loopback

if TYPE_CHECKING:
    import requests

    from synadmin.http.session import UnfollowingSession

T = TypeVar("T")
Query = Mapping[str, str | int | bool | list[str] | None]
Body = Mapping[str, Any]

_ATTEMPTS = 4
_BACKOFF = 0.5  # seconds before the second attempt; doubles from there
_OK = 200
_UNAVAILABLE = frozenset({502, 503, 504})
_CONNECT_TIMEOUT = 10.0
_SHORTEST_PAUSE = 0.1  # seconds, where the server asks to wait and names no time worth the name
_LONGEST_WORDS = 200  # characters of what an exception says
# What a connection that was never made fails with. After anything else the request may have got there.
_NEVER_CONNECTED = frozenset(
    {
        errno.ECONNREFUSED,
        errno.ENETUNREACH,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.EHOSTDOWN,
        errno.EADDRNOTAVAIL,
        errno.EACCES,
        errno.EPERM,
    },
)
_WHOAMI = Endpoint("GET", "/_matrix/client/v3/account/whoami", dict)


class _CertificateError(ConnectError):
    """The same certificate would be shown again: no second attempt."""


class DryRunStop(Exception):  # noqa: N818  the end of a dry run, not an error
    """A change that a dry run does not send."""

    def __init__(self, method: str, path: str, body: Body | None) -> None:
        super().__init__(f"{method} {path}")
        self.method = method
        self.path = path
        self.body = body


@dataclass(slots=True)
class Recorded:
    """What the journal keeps with the changes made while recording.

    Attributes:
        notes: kept with each of them.
        entry: the journal entry of the latest one; empty where none was sent.
    """

    notes: Mapping[str, object] = field(default_factory=dict)
    entry: str = ""


class Transport:
    """The way to one homeserver, with one token.

    ``on_reply``, where it is set, is told of every answer that is no error.
    """

    on_reply: Callable[[Endpoint[Any], bytes], None] | None = None

    def __init__(
        self,
        homeserver: str,
        token: str | None = None,
        *,
        timeout: float = 60.0,
        longest_wait: float = 60.0,
        ca_file: str | None = None,
        journal: Journal | None = None,
        on_behalf_of: UserId | None = None,
        notify: Callable[[str], None] | None = None,
        trace: Callable[[str], None] | None = None,
        connections: int = 8,
        owner: UserId | None = None,
        dry_run: bool = False,
    ) -> None:
        """Prepare the way; nothing is sent yet.

        Args:
            homeserver: the base URL, ``https://matrix.example.org``.
            token: the access token.
            timeout: seconds without a byte of the answer before giving up.
            longest_wait: seconds to wait at most, altogether, where the server says "too many requests".
            ca_file: certificates to trust instead of the usual ones.
            journal: where every change is written down before it is sent.
            on_behalf_of: whose token this is, where it is not the administrator's own.
            notify: is told, in words, when there is a wait.
            trace: is told of each request: method, path, status, milliseconds.
            connections: how many to keep open.
            owner: who stands behind the token, where that is known already; else it is asked for.
            dry_run: raise DryRunStop where a change would be sent.

        Raises:
            SettingsError: the token has characters in it that no token has.
        """
        self.homeserver = homeserver.rstrip("/")
        self.longest_wait = longest_wait
        self.notify = notify or (lambda _: None)
        self._trace = None if trace is None else lambda line: trace(path_without_secrets(line))
        self._dry_run = dry_run
        self._recorded = Recorded()
        self.requests_sent = 0
        self._clock: tuple[str | None, float] = None, 0.0
        self._on_behalf_of = on_behalf_of
        self._journal = journal
        self._owner = owner
        self._timeout = (min(_CONNECT_TIMEOUT, timeout), timeout)
        self._connections = connections
        self._ca_file = ca_file
        # http.client would repeat a token that is no header's value in its ValueError.
        self._token = None if token is None else checked_token(token, "token")

    def __repr__(self) -> str:
        return f"Transport({self.homeserver!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        if "_session" in vars(self):
            self._session.close()

    def as_user(self, user_id: UserId, token: str) -> "Transport":
        """Return a transport to the same server with the token of another user, told apart in the journal."""
        self.owner()
        return self._derived(token, on_behalf_of=user_id, dry_run=self._dry_run)

    def dry_run(self) -> "Transport":
        """Return a transport to the same server that reads, and raises DryRunStop instead of changing."""
        return self._derived(self._token, on_behalf_of=self._on_behalf_of, dry_run=True)

    def _derived(self, token: str | None, *, on_behalf_of: UserId | None, dry_run: bool) -> "Transport":
        other = Transport(
            self.homeserver,
            token,
            timeout=self._timeout[1],
            longest_wait=self.longest_wait,
            ca_file=self._ca_file,
            journal=self._journal,
            on_behalf_of=on_behalf_of,
            notify=self.notify,
            trace=self._trace,
            connections=self._connections,
            owner=self._known_owner(),
            dry_run=dry_run,
        )
        other.on_reply = self.on_reply
        return other

    @contextmanager
    def recording(self, **notes: object) -> Iterator[Recorded]:
        """Have the journal keep notes with the change that is made in here; return its entry.

        ``restoring`` (method, path, body) tells how a temporary change is put back, ``restores`` names
        the journal entry that this one puts back, ``before`` is what held before.
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

        Where it sends none, its clock is taken to be right with this machine's.
        """
        from email.utils import parsedate_to_datetime

        date, read_at = self._clock
        if date is not None:
            with suppress(ValueError, OverflowError):
                return parsedate_to_datetime(date).timestamp() + time.monotonic() - read_at
        return time.time()

    def owner(self) -> UserId:
        """Return the token's owner, asked for once.

        Raises:
            NotAuthenticatedError: there is no token, or it is no longer valid.
        """
        if self._owner is None:
            answer = self.send(_WHOAMI)
            user_id = answer.get("user_id")
            if not isinstance(user_id, str):
                message = f"{_WHOAMI.path} did not say whose token this is"
                raise ReplyError(message)
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
            query: the query; what is None is left out.
            body: the JSON body; what is ``msgspec.UNSET`` is left out, None is sent as null.

        Raises:
            MatrixError: the server said no.
            ReplyError: the answer is not what this operation answers with.
            ConnectError: there was no answer.
            UsageError: the query or body is text that cannot be sent.
            JournalError: the change could not be written down, so it was not sent.
        """
        return decoded(endpoint, self.send_raw(endpoint, parameters, query=query, body=body))

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
        target, content = _written(endpoint, parameters or {}, query, body)
        if self._dry_run and endpoint.changes:
            raise DryRunStop(endpoint.method, target, body)
        entry: Entry | None = None
        if self._journal is not None and endpoint.changes:
            entry = self._journal.begin(
                server=self.homeserver,
                user=self._known_owner(),
                on_behalf_of=self._on_behalf_of,
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
        except (ConnectError, SettingsError) as error:
            sent = isinstance(error, ConnectError) and error.sent
            if self._journal is not None and entry is not None and not sent:
                self._journal.finish(entry, status=None, errcode=NOT_SENT)
            raise
        if self._journal is not None and entry is not None:
            self._journal.finish(entry, status=status)
        if self.on_reply is not None:
            self.on_reply(endpoint, raw)
        return raw

    @cached_property
    def _session(self) -> "UnfollowingSession":
        # Loaded where it is used: an audit, which reads much, does without (see quick.py).
        from synadmin.http.session import session

        return session(
            self.homeserver,
            proxied=not self._on_this_machine,
            ca_file=self._ca_file,
            connections=self._connections,
        )

    @property
    def _on_this_machine(self) -> bool:
        return is_loopback(urlsplit(self.homeserver).hostname or "")

    def _known_owner(self) -> UserId | None:
        # Signing in is a change made before there is a token, and so an owner.
        return self._owner if self._token is None else self.owner()

    def _until_answered(
        self,
        endpoint: Endpoint[Any],
        parameters: Mapping[str, str],
        target: str,
        content: bytes | None,
    ) -> tuple[int, bytes]:
        waited = 0.0
        attempt = 1
        sent = False
        while True:
            try:
                return self._once(endpoint, target, content)
            except RateLimitedError as error:
                pause = error.retry_after if error.retry_after is not None else 2.0**attempt
                pause = max(pause, _SHORTEST_PAUSE)
                if not endpoint.repeatable or waited + pause > self.longest_wait:
                    raise
                waited += pause
                seconds = f"{pause:.{0 if pause >= 1 else 1}f}"
                self.notify(f"the server asks to wait {seconds} s before the next request: waiting")
            except ConnectError as error:
                # What an earlier attempt may have done is not undone because a later one did not get out.
                sent = error.sent = error.sent or sent
                final = isinstance(error, _CertificateError) or attempt >= _ATTEMPTS
                if final or (error.sent and not endpoint.repeatable):
                    raise
                pause = self._pause(attempt)
            except ServerError as error:
                # A proxy says 504 and 502 also when the server behind it was busy doing it.
                sent = True
                if error.status not in _UNAVAILABLE or attempt >= _ATTEMPTS or not endpoint.repeatable:
                    raise
                pause = self._pause(attempt)
            except NotFoundError as error:
                if not sent or not endpoint.changes:
                    raise
                return self._perhaps_done(endpoint, parameters, error)
            attempt += 1
            time.sleep(pause)

    def _perhaps_done(
        self, endpoint: Endpoint[Any], parameters: Mapping[str, str], error: NotFoundError
    ) -> tuple[int, bytes]:
        """Return the answer to a deletion that is verified to be done.

        Raises:
            UnknownOutcomeError: an earlier attempt, which got no answer, may have been carried out.
        """
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

    def _pause(self, attempt: int) -> float:
        pause = _BACKOFF * 2.0 ** (attempt - 1)
        return pause + random.uniform(0, pause / 2)  # noqa: S311  jitter, not a secret

    def _once(self, endpoint: Endpoint[Any], target: str, content: bytes | None) -> tuple[int, bytes]:
        import requests

        request = requests.Request(endpoint.method, self.homeserver, data=content)
        try:
            prepared = self._session.prepare_request(request)
        except requests.RequestException:
            message = f"homeserver {self.homeserver} is not a URL that can be reached"
            raise SettingsError(message) from None
        # Set afterwards: requests would decode %2E and urllib3 resolve the dots that come out of it.
        prepared.url = self.homeserver + target
        prepared.headers["Accept"] = "application/json"
        if content is not None:
            prepared.headers["Content-Type"] = "application/json"
        if self._token is not None:
            prepared.headers["Authorization"] = f"Bearer {self._token}"
        self.requests_sent += 1
        started = time.monotonic()
        status: object = "no answer"
        try:
            response = self._session.send(prepared, timeout=self._timeout, allow_redirects=False)
            status = response.status_code
            self._clock = response.headers.get("Date"), time.monotonic()
        except requests.RequestException as error:
            self._explain(error, endpoint)
        except ValueError:
            # urllib3's own, for a host with an empty or overlong label, is passed on by requests.
            message = f"homeserver {self.homeserver} is not a URL that can be reached"
            raise SettingsError(message) from None
        finally:
            if self._trace is not None:
                took = (time.monotonic() - started) * 1000
                self._trace(f"{endpoint.method} {target} -> {status} ({took:.0f} ms)")
        if response.ok and not response.is_redirect and not 300 <= response.status_code < 400:  # noqa: PLR2004
            return response.status_code, response.content
        answer = Answer(response.status_code, response.reason, response.headers, response.content)
        raise error_of(answer, endpoint)

    def _explain(self, error: "requests.RequestException", endpoint: Endpoint[Any]) -> NoReturn:
        """Turn an exception of requests into ours, in one line, without its nested representations."""
        import ssl

        import requests

        host = urlsplit(self.homeserver).netloc
        root = _root(error)
        words = _words(root)
        if isinstance(root, ssl.SSLCertVerificationError):
            message = f"{host}: the TLS certificate was not accepted ({root.verify_message})"
            raise _CertificateError(
                message,
                hint="a certificate of your own authority is named with SYNADMIN_CA_FILE",
            ) from None
        if isinstance(error, requests.exceptions.ConnectTimeout):
            message = f"{host} could not be reached within {self._timeout[0]:g} s"
            raise ConnectError(message) from None
        if isinstance(error, requests.exceptions.Timeout):
            message = f"{host} did not answer within {self._timeout[1]:g} s"
            hint = "SYNADMIN_TIMEOUT gives it longer"
            if endpoint.changes:
                hint = f"what was asked for may have been done all the same; {hint}"
            raise ConnectError(message, sent=True, hint=hint) from None
        if isinstance(root, socket.gaierror) or (
            isinstance(root, OSError) and root.errno in _NEVER_CONNECTED
        ):
            message = f"{host} cannot be reached: {words}"
            raise ConnectError(message, hint=f"is {self.homeserver} the homeserver, and is it up?") from None
        message = f"{host} gave no answer: {words}"
        raise ConnectError(message, sent=True) from None


def checked_homeserver(url: str, *, allow_plain_http: bool = False) -> str:
    """Check a homeserver's base URL and return it without a trailing slash.

    Raises:
        SettingsError: it has no scheme, a path, credentials, or is plain http to another machine.
    """
    if "@" in url:
        # Before anything that would repeat it.
        message = "the homeserver's URL must not hold a user name or password"
        raise SettingsError(message)
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        message = f"homeserver {url!a} is not a URL: {error}"
        raise SettingsError(message) from None
    if parts.scheme not in {"http", "https"} or not host or not url.isascii() or not url.isprintable():
        message = f"homeserver {url!a} is not a URL: it looks like https://matrix.example.org"
        raise SettingsError(message)
    if parts.path not in {"", "/"} or parts.query or parts.fragment or " " in url:
        bare = f"{parts.scheme}://{parts.netloc}"
        message = f"homeserver {url!a} has a path: give the base URL alone, {bare}"
        raise SettingsError(message)
    if parts.scheme == "http" and not is_loopback(host) and not allow_plain_http:
        message = f"homeserver {url}: plain http would send the token readable over the network"
        raise SettingsError(
            message,
            hint="use https://, or set SYNADMIN_ALLOW_HTTP=1 where the network is your own",
        )
    return f"{parts.scheme}://{parts.netloc}"


def _written(
    endpoint: Endpoint[Any],
    parameters: Mapping[str, str],
    query: Query | None,
    body: Body | None,
) -> tuple[str, bytes | None]:
    """Return the path with its query, and the body, as they go over the wire."""
    try:
        target = endpoint.filled(parameters) + _encoded_query(query)
        return target, None if body is None else msgspec.json.encode(body)
    except UnicodeEncodeError:
        message = f"{endpoint.method} {endpoint.path}: what was to be sent is not valid Unicode text"
        raise UsageError(message) from None


def _encoded_query(query: Query | None) -> str:
    pairs: list[tuple[str, str]] = []
    for name, value in (query or {}).items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, bool):
                pairs.append((name, "true" if one else "false"))
            elif one is not None:
                pairs.append((name, str(one)))
    return "?" + urlencode(pairs, quote_via=quote, safe="") if pairs else ""


def _root(error: BaseException) -> BaseException:
    """Return the exception at the bottom of several that wrap each other."""
    # Not by __context__: that leads to whatever the caller was dealing with when it sent this.
    for _ in range(10):
        inner = getattr(error, "reason", None)
        if not isinstance(inner, BaseException):
            inner = error.__cause__
        if inner is None:
            inner = next((part for part in error.args if isinstance(part, BaseException)), None)
        if inner is None:
            break
        error = inner
    return error


def _words(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    # What a server says that speaks no HTTP is in them, with its line break.
    words = " ".join(str(error).split())[:_LONGEST_WORDS]
    # urllib3 puts the representation of the connection object in front.
    return words.rpartition(">: ")[2] or type(error).__name__
