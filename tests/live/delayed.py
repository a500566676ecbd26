"""A TCP proxy that delays the data of a server, to simulate slow replication."""

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
_POLL_INTERVAL = 0.01  # seconds
# Seconds that Synapse needs to send a change to Redis, and that a worker needs to process a received change.
_PROCESSING_TIME = 0.1


class DelayedServer:
    """Forwards connections to a port of 127.0.0.1. Clients get the server's data ``delay`` seconds later."""

    def __init__(self, port: int, delay: float) -> None:
        self._target = ("127.0.0.1", port)
        self._delay = delay
        self._unsent: collections.deque[float] = collections.deque()
        """The time of receipt of each chunk that has not been sent to its client yet."""
        self._sockets: list[socket.socket] = []

    @property
    def port(self) -> int:
        """The port for clients."""
        port: int = self._listener.getsockname()[1]
        return port

    def wait_until_sent(self) -> None:
        """Wait until clients have all the data that the server has sent so far."""
        time.sleep(_PROCESSING_TIME)
        now = time.monotonic()
        while any(received < now for received in list(self._unsent)):
            time.sleep(_POLL_INTERVAL)
        time.sleep(_PROCESSING_TIME)

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
                self._start(self._forward, client, server)
                self._start(self._forward_delayed, server, client)

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(_CHUNK):
                sink.sendall(chunk)
            sink.shutdown(socket.SHUT_WR)

    def _forward_delayed(self, source: socket.socket, sink: socket.socket) -> None:
        """Receive in this thread without delay; send in another thread, delayed."""
        chunks: collections.deque[tuple[float, bytes]] = collections.deque()
        arrived = threading.Semaphore(0)

        def send() -> None:
            while True:
                arrived.acquire()
                received, chunk = chunks.popleft()
                time.sleep(max(0.0, received + self._delay - time.monotonic()))
                with contextlib.suppress(OSError):
                    sink.sendall(chunk) if chunk else sink.shutdown(socket.SHUT_WR)
                self._unsent.remove(received)
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
            self._unsent.append(received)
            chunks.append((received, chunk))
            arrived.release()
