"""Exchange bytes with a homeserver: the protocol of a wire, and the default wire with ``requests``."""

import threading
from typing import TYPE_CHECKING, Protocol

from synadmin.http.connection import Connection, certificates
from synadmin.http.no_answer import no_answer, not_a_url
from synadmin.http.reader import LARGEST, Answer, Body

if TYPE_CHECKING:
    import requests

_PART = 65_536  # bytes


class Wire(Protocol):
    """The protocol of a wire, which exchanges bytes with a homeserver and does not know Matrix."""

    def exchange(self, method: str, target: str, content: bytes | None) -> Answer:
        """Send a request and return its answer, whatever its status.

        Args:
            method: the HTTP method.
            target: the encoded path and query, without the path of the base URL.
            content: the body, JSON.

        Raises:
            ConnectError: there is no answer.
            ReplyError: the answer cannot be used.
            SettingsError: the homeserver's URL has no usable address.
        """

    def close(self) -> None:
        """Close the connections."""


class Limiter(Protocol):
    """The protocol of a limiter of simultaneous requests."""

    def begin(self) -> float:
        """Wait until a request may be sent; return the time."""

    def end(self, began: float) -> None:
        """Record the end of a request: it was answered, or failed."""


class LimitedWire:
    """A wire with a limit of simultaneous requests."""

    def __init__(self, wire: Wire, limiter: Limiter) -> None:
        self._wire = wire
        self._limiter = limiter

    def exchange(self, method: str, target: str, content: bytes | None) -> Answer:
        """Wait until a request may be sent, and send it."""
        began = self._limiter.begin()
        try:
            return self._wire.exchange(method, target, content)
        finally:
            self._limiter.end(began)

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()


class RequestsWire:
    """The default wire, with ``requests``; it uses the proxies of the environment."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._made: requests.Session | None = None
        self._making = threading.Lock()

    @property
    def session(self) -> "requests.Session":
        """Return the session, made on first use: an audit on this machine does not need it."""
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
            raise not_a_url(connection) from None
        # Set afterwards: otherwise requests decodes %2E, and urllib3 resolves the dots.
        prepared.url = base + target
        # One deadline for the whole answer: session.py ends the reading at that time.
        timeout = urllib3.Timeout(total=connection.timeout, connect=connection.connect_timeout)
        try:
            response = self.session.send(
                prepared,
                # requests accepts a Timeout of urllib3, too.
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
