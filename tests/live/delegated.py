"""A Synapse whose accounts the Matrix Authentication Service manages; the service is a stand-in.

It answers what its discovery document and its token introspection answer, for a token whose it is.
"""

from __future__ import annotations

import json
import secrets
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from synadmin.client import Synapse
from synadmin.http.endpoint import Endpoint
from synadmin.sandbox.accounts import Person
from synadmin.sandbox.homeserver import Homeserver

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = secrets.token_hex()
API, ADMIN = "urn:matrix:client:api:*", "urn:synapse:admin:*"


class _Introspection(BaseHTTPRequestHandler):
    """Knows two kinds of tokens: ``of-alice``, and ``admin-of-alice``."""

    def do_POST(self) -> None:
        asked = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        role, _, localpart = asked["token"][0].rpartition("of-")
        scope = f"{API} {ADMIN}" if role else API
        answer = {"active": True, "scope": scope, "username": localpart, "expires_in": 3600}
        if not localpart or self.headers["Authorization"] != f"Bearer {SECRET}":
            answer = {"active": False}
        self._write(answer)

    def do_GET(self) -> None:
        url = f"http://{self.headers['Host']}/"
        names = ("account_management_uri", "token_endpoint", "authorization_endpoint")
        self._write({"issuer": url, **{name: f"{url}{name}" for name in names}})

    def _write(self, answer: dict[str, object]) -> None:
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@dataclass(frozen=True)
class Delegated:
    """The server, and its administrator."""

    server: Homeserver
    admin: Person

    def someone(self, name: str, *, token: str | None = None) -> Person:
        with Synapse(self.server.url, token=SECRET) as synapse:
            made = Endpoint("POST", "/_synapse/mas/provision_user", dict)
            synapse.transport.send(made, body={"localpart": name})
        return Person(self.server.url, self.server.user_id(name), token or f"of-{name}")


@contextmanager
def running() -> Iterator[Delegated]:
    """Start the service and its Synapse."""
    service = ThreadingHTTPServer(("127.0.0.1", 0), _Introspection)
    thread = threading.Thread(target=service.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    config = {
        "matrix_authentication_service": {
            "enabled": True,
            "endpoint": f"http://127.0.0.1:{service.server_port}/",
            "secret": SECRET,
        },
        "password_config": {"enabled": False},
        "server_notices": {"system_mxid_localpart": "notices"},
    }
    try:
        with Homeserver(server_name="delegated.example", extra_config=config) as server:
            nobody = Delegated(server, Person(server.url, server.user_id("admin"), "admin-of-admin"))
            yield Delegated(server, nobody.someone("admin", token="admin-of-admin"))
    finally:
        service.shutdown()
        service.server_close()
