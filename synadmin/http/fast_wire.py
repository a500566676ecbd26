"""A fast wire for many reads: one connection for each thread, without ``requests``.

``requests`` takes a millisecond of CPU time for each request. For many small requests this is more than the
homeserver needs to answer. This wire uses no proxy: see :class:`synadmin.http.wire.RequestsWire`.
"""

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any

from synadmin.http.connection import Connection, certificates
from synadmin.http.deadline import Deadline
from synadmin.http.no_answer import ConnectTimeoutError, FinalConnectError, HandshakeTimeoutError, no_answer
from synadmin.http.reader import Answer, UnreadableError, read

if TYPE_CHECKING:
    import ssl

_AT_ONCE = 65_536  # bytes


class FastWire:
    """A wire that keeps one connection for each thread."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._tls = certificates(connection.ca_file) if connection.is_encrypted else None
        self._of_thread = threading.local()
        self._adding = threading.Lock()
        self._open: set[_OpenConnection] = set()
        self._closed = False

    def close(self) -> None:
        """Close the connections, also those that wait for an answer."""
        with self._adding:
            self._closed = True
            opened, self._open = self._open, set()
        for connection in opened:
            connection.close()

    def exchange(self, method: str, target: str, content: bytes | None) -> Answer:
        """Send a request and return its answer. See :class:`synadmin.http.wire.Wire`."""
        deadline = Deadline(self._connection.timeout)
        request = self._written(method, target, content)
        try:
            kept: _OpenConnection | None = getattr(self._of_thread, "opened", None)
            if kept is not None and method == "GET":
                try:
                    return self._answered(kept, request, deadline)
                except (ConnectionError, UnreadableError) as error:
                    # The server may close an idle connection: use a new one.
                    if isinstance(error, UnreadableError) and not error.empty:
                        raise
            return self._answered(self._connected(deadline), request, deadline)
        except (OSError, ValueError) as error:
            if self._closed:
                # The caller has closed this wire, and does not read the error.
                raise FinalConnectError("the connection was closed") from None
            raise no_answer(error, self._connection, method) from None

    def _written(self, method: str, target: str, content: bytes | None) -> bytes:
        connection = self._connection
        host = "localhost" if connection.socket_path else connection.host
        headers = {"Host": host, **connection.headers(content)}
        if content is not None:
            headers["Content-Length"] = str(len(content))
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        request = f"{method} {connection.base_path}{target} HTTP/1.1\r\n{head}\r\n"
        return request.encode("ascii") + (content or b"")

    def _answered(self, opened: "_OpenConnection", request: bytes, deadline: Deadline) -> Answer:
        # A connection is used again only if its answer was read completely.
        self._of_thread.opened = None
        keeps = False
        try:
            answer = opened.ask(request, deadline)
            keeps = answer.keeps
        finally:
            if not keeps:
                with self._adding:
                    self._open.discard(opened)
                opened.close()
        self._of_thread.opened = opened if keeps else None
        return answer

    def _connected(self, deadline: Deadline) -> "_OpenConnection":
        opened = _OpenConnection(self._connection, self._tls, deadline)
        with self._adding:
            if not self._closed:
                self._open.add(opened)
                return opened
        opened.close()
        raise ConnectionAbortedError


class _OpenConnection:
    """A connection for one thread."""

    def __init__(self, connection: Connection, tls: "ssl.SSLContext | None", deadline: Deadline) -> None:
        within = deadline.share(most=connection.connect_timeout, of=1)
        try:
            self._socket = _connected(connection, within)
        except TimeoutError:
            raise ConnectTimeoutError from None
        if tls is None:
            return
        try:
            self._socket.settimeout(within.left())
            self._socket = tls.wrap_socket(self._socket, server_hostname=connection.address[0])
        except BaseException as error:
            self._socket.close()
            if isinstance(error, TimeoutError):
                raise HandshakeTimeoutError from None
            raise

    def close(self) -> None:
        """Close it."""
        with contextlib.suppress(OSError):
            # Another thread may be reading from it: it stops now, not after the answer.
            self._socket.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            self._socket.close()

    def ask(self, request: bytes, deadline: Deadline) -> Answer:
        """Send a request and read its answer.

        Raises:
            OSError: the connection fails, or the answer takes too long.
            UnreadableError: the answer is not a valid HTTP answer.
        """
        self._wait_until(deadline)
        self._socket.sendall(request)

        def receive() -> bytes:
            self._wait_until(deadline)
            return self._socket.recv(_AT_ONCE)

        return read(receive)

    def _wait_until(self, deadline: Deadline) -> None:
        left, timeout = deadline.left(), self._socket.gettimeout()
        # Setting a timeout is a system call that slows other threads: differences below 1% are ignored.
        if timeout is None or abs(timeout - left) > left / 100:
            self._socket.settimeout(left)


def _connected(connection: Connection, deadline: Deadline) -> socket.socket:
    """Connect to the unix socket, or to the first address that accepts the connection."""
    if connection.socket_path is not None:
        families: list[tuple[int, Any]] = [(socket.AF_UNIX, connection.socket_path)]
    else:
        addresses = socket.getaddrinfo(*connection.address, type=socket.SOCK_STREAM)
        families = [(family, address) for family, *_, address in addresses]
    failure: OSError = ConnectTimeoutError()
    for number, (family, address) in enumerate(families):
        made = socket.socket(family, socket.SOCK_STREAM)
        try:
            made.settimeout(deadline.left() / (len(families) - number))
            made.connect(address)
            if family != socket.AF_UNIX:
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            made.close()
            failure = error
        else:
            return made
    raise failure
