"""A server that sends given bytes at a given speed."""

from __future__ import annotations

import contextlib
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@contextmanager
def listening(handle: Callable[[socket.socket], None], path: Path | None = None) -> Iterator[str]:
    """Listen on loopback or a unix socket, and handle each connection in a thread; yield the URL."""
    if path is None:
        listener = socket.create_server(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    else:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen()
        url = f"unix://{path}"

    def handle_and_close(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            handle(connection)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=handle_and_close, args=(connection,), daemon=True).start()

    with listener:
        threading.Thread(target=accept, daemon=True).start()
        yield url
        listener.shutdown(socket.SHUT_RDWR)


def answering(
    answer: bytes, *, drip: float | None = None, keep_open: bool = False
) -> Callable[[socket.socket], None]:
    """Return a handler that sends the same answer to every request.

    Args:
        answer: the bytes.
        drip: seconds between two bytes; all bytes at once where it is None.
        keep_open: whether the connection stays open for another request.
    """

    def handle(connection: socket.socket) -> None:
        while read_request(connection):
            if drip is None:
                connection.sendall(answer)
            for byte in answer if drip is not None else b"":
                connection.sendall(bytes([byte]))
                # Not time.sleep, which tests replace.
                threading.Event().wait(drip)
            if not keep_open:
                return

    return handle


def read_request(connection: socket.socket) -> bytes:
    """Return the head of a request; empty if the connection was closed."""
    received = b""
    while b"\r\n\r\n" not in received:
        data = connection.recv(65536)
        if not data:
            return b""
        received += data
    return received
