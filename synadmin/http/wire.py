"""Exchanging bytes with a homeserver: what a wire is, and the ordinary one, by ``requests``."""

import threading
from typing import TYPE_CHECKING, Protocol

from synadmin.http.connection import Connection, certificates
from synadmin.http.no_answer import no_answer, no_url
from synadmin.http.reader import LARGEST, Answer, Body

if TYPE_CHECKING:
    import requests

_PART = 65_536  # bytes


class Wire(Protocol):
    """The protocol of what exchanges bytes with a homeserver, without knowledge of Matrix."""

    def exchange(self, method: str, target: str, content: bytes | None) -> Answer:
        """Send a request and return its answer, whatever its status.

        Args:
            method: the HTTP method.
            target: path and query as they go over the wire, without the base URL's own path.
            content: the body, JSON.

        Raises:
            ConnectError: there is no answer.
            ReplyError: there is one, and it cannot be used.
            SettingsError: the homeserver is no address.
        """

    def close(self) -> None:
        """Close the connections."""


class Limiter(Protocol):
    """The protocol of what limits the requests at the same time."""

    def begin(self) -> float:
        """Wait until a request may be sent; return when that was."""

    def end(self, began: float) -> None:
        """End a request: it was answered, or failed."""


class LimitedWire:
    """A wire with a limit of requests at the same time."""

    def __init__(self, wire: Wire, limiter: Limiter) -> None:
        self._wire = wire
        self._limiter = limiter

    def exchange(self, method: str, target: str, content: bytes | None) -> Answer:
        """Send a request when it may be sent."""
        began = self._limiter.begin()
        try:
            return self._wire.exchange(method, target, content)
        finally:
            self._limiter.end(began)

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()


class RequestsWire:
    """The default wire, by ``requests``; it uses the proxies of the environment."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._made: requests.Session | None = None
        self._making = threading.Lock()

    @property
    def session(self) -> "requests.Session":
        """Return the session, made on first use: an audit on this machine does without."""
        from synadmin.http.session import session

        with self._making:
            if self._made is None:
                if self._connection.ca_file is not None:
                    certificates(self._connection.ca_file)
                self._made = session(self._connection)
            return self._made

    def close(self) -> None:
        """Close the connections."""
        if self._made is not None:
            self._made.close()

    def exchange(self, method: str, target: str, content: bytes | None) -> Answer:
        """Send a request and return its answer. See :class:`Wire`."""
        import requests
        import urllib3

        connection = self._connection
        base = connection.homeserver if connection.socket_path is None else "http://localhost"
        request = requests.Request(method, base, data=content, headers=dict(connection.headers(content)))
        try:
            prepared = self.session.prepare_request(request)
        except requests.RequestException:
            raise no_url(connection) from None
        # Set afterwards: requests would decode %2E and urllib3 resolve the dots that come out of it.
        prepared.url = base + target
        # One deadline for the whole answer: session.py sees to it that reading ends by it.
        timeout = urllib3.Timeout(total=connection.timeout, connect=connection.connect_timeout)
        try:
            response = self.session.send(
                prepared,
                # requests takes one of these, too.
                timeout=timeout,  # type: ignore[arg-type]
                allow_redirects=False,
                stream=True,
            )
            with response:
                body = Body(response.headers.get("Content-Encoding", ""), LARGEST)
                for part in response.raw.stream(_PART, decode_content=False):
                    body.add(part)
                headers = {name.lower(): value for name, value in response.headers.items()}
                return Answer(response.status_code, headers, body.content(), phrase=response.reason or "")
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise no_answer(error, connection, method) from None
