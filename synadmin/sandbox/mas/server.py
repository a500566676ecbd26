"""The HTTP server of the stand-in, on loopback and in threads of this process."""

import json
import secrets
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs

# These imports fill the table of operations.
from synadmin.sandbox.mas import admin, oauth, sessions, settings, users  # noqa: F401
from synadmin.sandbox.mas.admin import StandInService, answer
from synadmin.sandbox.mas.jobs import Worker
from synadmin.sandbox.mas.store import Knobs, MasStore, Record
from synadmin.sandbox.mas.synapse import Provisioner
from synadmin.sandbox.mas.web import Refused, Reply, Request, not_here

CLIENT_ID = "01JADM1N000000000000000000"
"""The client that may use the admin API with only its client credentials."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its answer, for observers."""

    request: Request
    reply: Reply


class AuthenticationService:
    """A stand-in for MAS, for one Synapse.

    As a context manager it serves requests while the block runs.

    Attributes:
        secret: the shared secret of MAS and Synapse.
        client_secret: the secret of the client that may use the admin API.
        synapse: sends requests to Synapse.
        watch: is called with each exchange after the answer.
    """

    def __init__(
        self,
        homeserver: Callable[[], str],
        server_name: Callable[[], str],
        *,
        port: int = 0,
        secret: str | None = None,
        client_secret: str | None = None,
        path: Path | None = None,
    ) -> None:
        """Bind a port; :meth:`start` begins to serve.

        Args:
            homeserver: returns Synapse's base URL.
            server_name: returns Synapse's server name.
            port: the port; 0: any free port.
            secret: the shared secret of MAS and Synapse; None: a random one.
            client_secret: the secret of the client that may use the admin API; None: a random one.
            path: the file that stores the records; None: they are only in memory.
        """
        self.secret = secret or secrets.token_hex()
        self.client_secret = client_secret or secrets.token_hex()
        self.store = MasStore(path)
        self._add_client()
        self.synapse = Provisioner(homeserver, self.secret)
        self.watch: Callable[[Exchange], None] | None = None
        self._worker = Worker(self.store, self.synapse)
        self._service = StandInService(self.store, self.synapse, self._worker, server_name)
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.service = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="mas", daemon=True
        )

    @property
    def port(self) -> int:
        """The port of the stand-in."""
        return int(self._server.server_port)

    @property
    def url(self) -> str:
        """The base URL, with a slash at the end."""
        return f"http://127.0.0.1:{self.port}/"

    @property
    def knobs(self) -> Knobs:
        """The settings of the stand-in."""
        return self.store.knobs

    def start(self) -> Self:
        """Start to serve requests and to run jobs."""
        self._worker.start()
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop, after the current requests are answered."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._worker.stop()
        self._server.server_close()
        self.store.save()

    def __enter__(self) -> Self:
        """Serve."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """End."""
        self.stop()

    def answer(self, request: Request) -> Reply:
        """Answer a request."""
        known = oauth.PATHS.get((request.method, request.path))
        with self.store.lock:
            try:
                if request.path.startswith(f"{admin.BASE}/"):
                    reply = answer(self._service, request)
                else:
                    reply = known(self._service, request) if known else not_here()
            except Refused as error:
                reply = error.reply
            if request.method != "GET" and request.path != "/oauth2/introspect":
                self.store.save()
        if self.watch is not None:
            self.watch(Exchange(request, reply))
        return reply

    def add_provider(self, issuer: str, name: str) -> str:
        """Configure an upstream provider, and return its id."""
        provider: Record = {"issuer": issuer, "human_name": name, "brand_name": None, "disabled_at": None}
        with self.store.lock:
            kept = self.store.add(
                "upstream-oauth-provider", provider | {"registration_token_required": False}
            )
        return str(kept["_id"])

    def _add_client(self) -> None:
        """Configure the client that may use the admin API."""
        metadata = {"grant_types": oauth.grant_types(Knobs()), "redirect_uris": []}
        oauth.add_client(
            self.store, metadata, method="client_secret_basic", client_id=CLIENT_ID, secret=self.client_secret
        )
        self.knobs.admin_clients = [CLIENT_ID]


def delegation(url: str, secret: str) -> dict[str, Any]:
    """Return the configuration for a Synapse that delegates to MAS."""
    return {
        "matrix_authentication_service": {"enabled": True, "endpoint": url, "secret": secret},
        "password_config": {"enabled": False},
    }


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    service: AuthenticationService

    def handle_error(self, request: object, client_address: object) -> None:
        """Print no error about a client that has closed the connection."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in one packet
    server: _Server

    def _answer(self) -> None:
        path, _, query = self.path.partition("?")
        request = Request(
            method=self.command,
            path=path,
            query=parse_qs(query, keep_blank_values=True),
            headers={name.title(): value for name, value in self.headers.items()},
            body=self.rfile.read(int(self.headers.get("Content-Length") or 0)),
            url=self.server.service.url,
        )
        reply = self.server.service.answer(request)
        content, kind = b"", reply.content_type
        if reply.text is not None:
            content = reply.text.encode()
        elif reply.json is not None:
            content, kind = json.dumps(reply.json).encode(), "application/json"
        self.send_response(reply.status)
        if content:
            self.send_header("Content-Type", kind)
        if reply.status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - http.server looks for these names

    def log_message(self, *_: object) -> None:
        """Print nothing."""
