"""A way to the homeserver on which requests are counted, and on which something may happen to one of them."""

from __future__ import annotations

import http.client
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

_ERROR = json.dumps({"errcode": "M_UNKNOWN", "error": "for the sake of the test"}).encode()


@dataclass(frozen=True)
class Passing:
    """A request on its way.

    Attributes:
        number: the first one of all is 1.
        method: the HTTP method.
        path: path and query, percent-encoded.
        answered: the server has answered it; False before it gets there.
    """

    number: int
    method: str
    path: str
    answered: bool

    @property
    def changes(self) -> bool:
        return self.method != "GET"


@dataclass
class Proxy:
    """Passes requests on to a server. ``happens`` is called before and after each of them.

    Where it returns an HTTP status, that is the answer, with a Matrix error; where it raises
    ``ConnectionAbortedError``, there is none.
    """

    url: str
    happens: Callable[[Passing], int | None] = lambda _: None
    requests: list[Passing] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Self:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass_on(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                try:
                    status, content = proxy._passed_on(
                        self.command, self.path, self.rfile.read(length), dict(self.headers)
                    )
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)
                except OSError:
                    self.close_connection = True

            do_GET = do_POST = do_PUT = do_DELETE = _pass_on  # noqa: N815

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def here(self) -> str:
        """Where clients reach it."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def _passed_on(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        with self._lock:
            request = Passing(len(self.requests) + 1, method, path, answered=False)
            self.requests.append(request)
        instead = self.happens(request)
        if instead is not None:
            return instead, _ERROR
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        try:
            connection.request(method, path, body or None, {**headers, "Connection": "close"})
            answer = connection.getresponse()
            status, content = answer.status, answer.read()
        finally:
            connection.close()
        instead = self.happens(Passing(request.number, method, path, answered=True))
        if instead is not None:
            return instead, _ERROR
        return status, content
