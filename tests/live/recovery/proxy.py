"""A proxy that records requests, and can change the answer to one of them."""

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

_ERROR = json.dumps({"errcode": "M_UNKNOWN", "error": "simulated by the test"}).encode()


@dataclass(frozen=True)
class Passing:
    """A request that passes through the proxy.

    Attributes:
        number: the position of the request; the first request is 1.
        method: the HTTP method.
        path: the path and query, percent-encoded.
        answered: whether the server has answered the request. False before the server receives it.
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
    """Forwards requests to a server. ``on_request`` is called before and after each request.

    If ``on_request`` returns an HTTP status, the client gets this status and a Matrix error as the answer. If
    it raises ``ConnectionAbortedError``, the client gets no answer.
    """

    url: str
    on_request: Callable[[Passing], int | None] = lambda _: None
    requests: list[Passing] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Self:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _handle(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                try:
                    status, content = proxy._forward(
                        self.command, self.path, self.rfile.read(length), dict(self.headers)
                    )
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)
                except OSError:
                    self.close_connection = True

            do_GET = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815

            def log_message(self, *_: object) -> None:
                """Log nothing."""

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
        """The URL of the proxy, for clients."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def _forward(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        with self._lock:
            request = Passing(len(self.requests) + 1, method, path, answered=False)
            self.requests.append(request)
        forced_status = self.on_request(request)
        if forced_status is not None:
            return forced_status, _ERROR
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        try:
            connection.request(method, path, body or None, {**headers, "Connection": "close"})
            answer = connection.getresponse()
            status, content = answer.status, answer.read()
        finally:
            connection.close()
        forced_status = self.on_request(Passing(request.number, method, path, answered=True))
        if forced_status is not None:
            return forced_status, _ERROR
        return status, content
