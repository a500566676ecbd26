"""Reading much over few connections, with as little work for each answer as there can be.

``requests`` does a millisecond of work for an answer, which is nothing for one and a bottleneck for a
hundred thousand; an audit over ``http.client`` alone still takes a tenth longer than one over this. Here is
the little of HTTP that a homeserver, or the proxy before it, speaks when all is well; whatever else comes
(another status than "not found", another encoding, a broken connection) is left to :class:`Transport`, which
asks once more in its own way and knows what to make of the answer.
"""

import contextlib
import re
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from synadmin._version import __version__
from synadmin.errors import ConnectError
from synadmin.http.endpoint import Endpoint
from synadmin.http.reply import Answer, error_of
from synadmin.http.transport import Transport

if TYPE_CHECKING:
    import ssl

    from synadmin.http.session import UnfollowingSession

_STATUS = re.compile(rb"HTTP/1\.1 ([0-9]{3})[ \r\n]")
_OK, _NOT_FOUND = 200, 404
_LONGEST_LINE = 65_536  # bytes
_MOST_HEADERS = 100
_PORTS = {"http": 80, "https": 443}


class _OddAnswerError(Exception):
    """An answer that is not read here."""


class _OtherStatusError(Exception):
    """An answer with a status that is not dealt with here."""


class Gate(Protocol):
    """Keeps requests back while enough of them are under way."""

    def begin(self) -> float:
        """Wait until a request may be sent; return when that was."""

    def end(self, began: float) -> None:
        """Hear that it was answered, or never will be."""


class Quick(Transport):
    """The same way to the server as another one, with the same token; made for many GETs in many threads."""

    def __init__(self, transport: Transport, gate: Gate | None = None) -> None:
        """Prepare; nothing is sent yet.

        Args:
            transport: the way that it goes, too. It must not be closed before this one.
            gate: who is asked before each request whether it may be sent now.
        """
        vars(self).update(vars(transport))
        self._other = transport
        self._gate = gate
        self._making = threading.Lock()
        parts = urlsplit(self.homeserver)
        self._address = (parts.hostname or "", parts.port or _PORTS[parts.scheme])
        # What requests does about proxies is not repeated here, nor is it loaded where there can be none.
        self._direct = self._on_this_machine or not self._session.proxies
        self._tls: ssl.SSLContext | None = None
        if parts.scheme == "https":
            self._tls = _trust(self._ca_file)
        headers = {
            "Host": parts.netloc,
            "User-Agent": f"synadmin/{__version__}",
        }
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        self._head = "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"
        self._own = threading.local()
        self._open: list[_Connection] = []
        self._closed = False

    def close(self) -> None:
        """Close the connections that this one has opened, those that wait for an answer among them."""
        with self._making:
            self._closed = True
        for connection in self._open:
            connection.close()

    @property
    def _session(self) -> "UnfollowingSession":
        with self._making:
            return self._other._session  # noqa: SLF001  another of its own kind

    def _once(self, endpoint: Endpoint[Any], target: str, content: bytes | None) -> tuple[int, bytes]:
        if self._gate is None:
            return self._sent(endpoint, target, content)
        began = self._gate.begin()
        try:
            return self._sent(endpoint, target, content)
        finally:
            self._gate.end(began)

    def _sent(self, endpoint: Endpoint[Any], target: str, content: bytes | None) -> tuple[int, bytes]:
        if content is not None or endpoint.method != "GET" or not self._direct:
            return super()._once(endpoint, target, content)
        started = time.monotonic()
        try:
            connection = self._connection()
        except (OSError, ValueError):
            return self._otherwise(endpoint, target)
        try:
            status, raw = connection.get(target, self._head)
        except TimeoutError:
            self._own.connection = None
            message = f"{self._address[0]} did not answer within {self._timeout[1]:g} s"
            raise ConnectError(message, sent=True, hint="SYNADMIN_TIMEOUT gives it longer") from None
        except _OtherStatusError:
            return self._otherwise(endpoint, target)
        except (OSError, ValueError, _OddAnswerError):
            self._own.connection = None
            return self._otherwise(endpoint, target)
        self.requests_sent += 1
        if self._trace is not None:
            took = (time.monotonic() - started) * 1000
            self._trace(f"{endpoint.method} {target} -> {status} ({took:.0f} ms)")
        if status == _NOT_FOUND:
            raise error_of(Answer(status, "", {}, raw), endpoint)
        return status, raw

    def _otherwise(self, endpoint: Endpoint[Any], target: str) -> tuple[int, bytes]:
        if self._closed:
            raise _closed_by_us()
        return super()._once(endpoint, target, None)

    def _connection(self) -> "_Connection":
        """Return this thread's connection."""
        connection: _Connection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = _Connection(self._address, self._timeout, self._tls)
            with self._making:
                if not self._closed:
                    self._open.append(connection)
                    self._own.connection = connection
                    return connection
            connection.close()
            raise _closed_by_us()
        return connection


class _Connection:
    """One connection, used by one thread."""

    def __init__(
        self, address: tuple[str, int], timeout: tuple[float, float], tls: "ssl.SSLContext | None"
    ) -> None:
        self._socket = socket.create_connection(address, timeout[0])
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            try:
                self._socket = tls.wrap_socket(self._socket, server_hostname=address[0])
            except BaseException:
                self._socket.close()
                raise
        self._socket.settimeout(timeout[1])
        self._answers = self._socket.makefile("rb", 65_536)

    def close(self) -> None:
        """Close it."""
        with contextlib.suppress(OSError):
            # Who is reading from it would hold it open until the answer comes.
            self._socket.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            self._answers.close()
            self._socket.close()

    def get(self, target: str, head: str) -> tuple[int, bytes]:
        """Send a GET and return the answer's status and what it holds.

        Raises:
            _OtherStatusError: it has to be asked for in another way.
            _OddAnswerError: the same, and the connection is closed.
        """
        try:
            self._socket.sendall(f"GET {target} HTTP/1.1\r\n{head}".encode("ascii"))
            status, content = self._answer()
        except BaseException:
            # What is left of this answer would be taken for the beginning of the next.
            self.close()
            raise
        if status not in {_OK, _NOT_FOUND}:
            raise _OtherStatusError
        return status, content

    def _answer(self) -> tuple[int, bytes]:
        status = _STATUS.match(self._answers.readline(_LONGEST_LINE))
        if status is None:
            raise _OddAnswerError
        length: int | None = None
        chunked = False
        for _ in range(_MOST_HEADERS):
            name, _, value = self._answers.readline(_LONGEST_LINE).partition(b":")
            name, value = name.lower(), value.strip().lower()
            if name in {b"\r\n", b"\n"}:
                break
            if name == b"content-length":
                length = _number(value, 10)
            elif name == b"transfer-encoding":
                chunked = value == b"chunked"
                if not chunked:
                    raise _OddAnswerError
            elif not name or name == b"content-encoding" or (name == b"connection" and value == b"close"):
                raise _OddAnswerError
        else:
            raise _OddAnswerError
        if chunked:
            return int(status[1]), b"".join(iter(self._chunk, b""))
        if length is None:
            raise _OddAnswerError
        return int(status[1]), self._exactly(length)

    def _chunk(self) -> bytes:
        """Return the next chunk, the empty one after the last."""
        size = _number(self._answers.readline(_LONGEST_LINE).partition(b";")[0].strip(), 16)
        chunk = self._exactly(size) if size else b""
        # Trailers, which nobody sends, would be here after the last one.
        if self._answers.readline(_LONGEST_LINE) != b"\r\n":
            raise _OddAnswerError
        return chunk

    def _exactly(self, length: int) -> bytes:
        content: bytes = self._answers.read(length)
        if len(content) != length:
            raise _OddAnswerError
        return content


def _closed_by_us() -> ConnectError:
    # Whoever asked has gone: nobody will read it.
    return ConnectError("the connection was closed")


def _trust(ca_file: str | None) -> "ssl.SSLContext":
    """Return whose certificates are believed: those that ``requests`` would believe."""
    import ssl

    if ca_file is None:
        import certifi

        ca_file = certifi.where()
    return ssl.create_default_context(cafile=ca_file)


def _number(text: bytes, base: int) -> int:
    # int() would take a sign, spaces and underscores for part of a number.
    if not text.isalnum():
        raise _OddAnswerError
    return int(text, base)
