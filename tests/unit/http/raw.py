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
def listening(converse: Callable[[socket.socket], None], path: Path | None = None) -> Iterator[str]:
    """Talk to each connection in a thread; give the URL."""
    if path is None:
        listener = socket.create_server(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    else:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen()
        url = f"unix://{path}"

    def talk(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            converse(connection)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(connection,), daemon=True).start()

    with listener:
        threading.Thread(target=accept, daemon=True).start()
        yield url
        listener.shutdown(socket.SHUT_RDWR)


def saying(
    answer: bytes, *, drip: float | None = None, stays: bool = False
) -> Callable[[socket.socket], None]:
    """Say the same to every request; a byte at a time where it drips; silent afterwards where it stays."""

    def converse(connection: socket.socket) -> None:
        while request(connection):
            if drip is None:
                connection.sendall(answer)
            for byte in answer if drip is not None else b"":
                connection.sendall(bytes([byte]))
                # Not time.sleep, which tests put out of action.
                threading.Event().wait(drip)
            if not stays:
                return

    return converse


def request(connection: socket.socket) -> bytes:
    """Return a request's head; its body is ignored."""
    received = b""
    while b"\r\n\r\n" not in received:
        data = connection.recv(65536)
        if not data:
            return b""
        received += data
    return received
