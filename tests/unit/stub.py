"""A stub homeserver for answers that a real Synapse never gives: no answer, invalid JSON, redirects.

The stub listens on a loopback port. The tests check the requests and answers as they were sent.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import json
import socket
import ssl
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

WHOAMI = "/_matrix/client/v3/account/whoami"
TOKEN_CHECK = "/_synapse/admin/v1/background_updates/enabled"
"""The request with which synadmin checks whether an access token is still valid."""
ADMIN = "@admin:example.org"


@dataclass(frozen=True)
class Reply:
    """An answer; ``broken`` closes the connection instead, ``silent`` keeps it open and sends nothing."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    broken: bool = False
    silent: bool = False
    raw: bytes | None = None


def json_reply(value: object, status: int = 200, **headers: str) -> Reply:
    """Return an answer with JSON."""
    extra_headers = {name.replace("_", "-"): text for name, text in headers.items()}
    return Reply(status, json.dumps(value).encode(), {"Content-Type": "application/json", **extra_headers})


def refused(status: int, errcode: str, error: str = "no", **more: object) -> Reply:
    """Return a Matrix error: JSON with ``errcode`` and ``error``."""
    return json_reply({"errcode": errcode, "error": error, **more}, status)


BROKEN = Reply(broken=True)
SILENT = Reply(silent=True)
HTML = Reply(
    200, b"<!DOCTYPE html>\n<html><body>Welcome to nginx!</body></html>", {"Content-Type": "text/html"}
)
EMPTY = Reply(200, b"")


@dataclass(frozen=True)
class Request:
    """A request as the stub received it."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401  any JSON
        return json.loads(self.body)


class Stub:
    """Answers each path with its replies in order, and repeats the last one."""

    def __init__(self, certificate: Path | None = None) -> None:
        self.requests: list[Request] = []
        self._replies: dict[str, list[Reply]] = {WHOAMI: [json_reply({"user_id": ADMIN})]}
        self._stopped = threading.Event()
        self._connections: list[socket.socket] = []
        self.on_request: Callable[[Request], None] = lambda _: None
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                stub._connections.append(self.connection)

            def handle_one_request(self) -> None:
                self.raw_requestline = self.rfile.readline(65537)
                if not self.raw_requestline or not self.parse_request():
                    self.close_connection = True
                    return
                stub._answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._scheme = "http"
        if certificate is not None:
            self._scheme = "https"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}"

    @property
    def server_name(self) -> str:
        return f"localhost:{self._server.server_port}"

    def on(self, path: str, *replies: Reply) -> None:
        """Set the replies for an encoded path, with or without its query; ``*`` is any other path."""
        self._replies[path] = list(replies)

    @property
    def targets(self) -> list[str]:
        """Return method and target of each request, without those that check the access token."""
        return [
            f"{request.method} {request.target}"
            for request in self.requests
            if request.target not in {WHOAMI, TOKEN_CHECK}
        ]

    def hang_up(self) -> None:
        """Close all open connections."""
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def leave(self) -> None:
        """Refuse new connections; requests on open connections are still answered."""
        self._server.socket.close()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("Content-Length") or 0)
        # http.server normalizes `path`; the request line is unchanged.
        target = handler.requestline.split(" ")[1]
        request = Request(
            handler.command,
            target,
            {name.lower(): value for name, value in handler.headers.items()},
            handler.rfile.read(length),
        )
        self.requests.append(request)
        self.on_request(request)
        keys = (target, target.partition("?")[0], "*")
        replies = next((self._replies[path] for path in keys if self._replies.get(path)), None)
        if replies is None:
            replies = [refused(404, "M_UNRECOGNIZED", "Unrecognized request")]
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        if reply.silent:
            self._stopped.wait(30)
        if reply.silent or reply.broken:
            handler.close_connection = True
            return
        try:
            _write(handler, reply)
        except ConnectionError:  # the client has closed the connection
            handler.close_connection = True


def _write(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    if reply.raw is not None:
        handler.wfile.write(reply.raw)
        handler.close_connection = True
        return
    handler.send_response(reply.status)
    for name, value in reply.headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(reply.body)))
    handler.end_headers()
    handler.wfile.write(reply.body)


def nobody_there() -> str:
    """Return a loopback URL on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def certificate(folder: Path) -> Path:
    """Write a self-signed certificate for localhost with its key, and return the path of the file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    alternative_names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    now = dt.datetime.now(dt.UTC)
    self_signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(alternative_names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + self_signed.public_bytes(serialization.Encoding.PEM)
    )
    return path
