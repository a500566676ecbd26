"""A TCP proxy that holds back what a server says: replication that lags."""

from __future__ import annotations

import collections
import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable

_CHUNK = 1 << 16  # bytes
_STEP = 0.01  # seconds between two looks
# Seconds in which Synapse hands what it has written to Redis, and a worker deals with what has arrived.
_GRACE = 0.1


class DelayedServer:
    """Passes connections on to a port of 127.0.0.1. What comes from there arrives ``delay`` seconds later."""

    def __init__(self, port: int, delay: float) -> None:
        self._target = ("127.0.0.1", port)
        self._delay = delay
        self._on_their_way: collections.deque[float] = collections.deque()
        """When each chunk was received that has not been passed on yet."""
        self._sockets: list[socket.socket] = []

    @property
    def port(self) -> int:
        """Where clients reach it."""
        port: int = self._listener.getsockname()[1]
        return port

    def settle(self) -> None:
        """Wait until all that the server has said so far has been passed on."""
        time.sleep(_GRACE)
        now = time.monotonic()
        while any(received < now for received in list(self._on_their_way)):
            time.sleep(_STEP)
        time.sleep(_GRACE)

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        for connection in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        threading.Thread(target=work, args=arguments, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                self._sockets += [client, server]
                self._start(self._pass_on, client, server)
                self._start(self._pass_on_late, server, client)

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(_CHUNK):
                sink.sendall(chunk)
            sink.shutdown(socket.SHUT_WR)

    def _pass_on_late(self, source: socket.socket, sink: socket.socket) -> None:
        """Receive at once, in this thread, and send in another one."""
        chunks: collections.deque[tuple[float, bytes]] = collections.deque()
        arrived = threading.Semaphore(0)

        def send() -> None:
            while True:
                arrived.acquire()
                received, chunk = chunks.popleft()
                time.sleep(max(0.0, received + self._delay - time.monotonic()))
                with contextlib.suppress(OSError):
                    sink.sendall(chunk) if chunk else sink.shutdown(socket.SHUT_WR)
                self._on_their_way.remove(received)
                if not chunk:
                    return

        self._start(send)
        chunk = b"any"
        while chunk:
            try:
                chunk = source.recv(_CHUNK)
            except OSError:
                chunk = b""
            received = time.monotonic()
            self._on_their_way.append(received)
            chunks.append((received, chunk))
            arrived.release()
