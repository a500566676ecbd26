"""A server whose accounts the Matrix Authentication Service keeps: nobody can log in as others there.

The service itself is a stand-in that answers for a token whose it is.
"""

from __future__ import annotations

import json
import secrets
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import pytest

from synadmin.client import Synapse
from synadmin.http.endpoint import Endpoint
from synadmin.sandbox.homeserver import Homeserver
from synadmin.sandbox.people import Person
from tests.live.differential import held

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.conftest import Synadmin

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


@pytest.fixture(scope="module")
def delegated() -> Iterator[Delegated]:
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
    }
    try:
        with Homeserver(server_name="delegated.example", extra_config=config) as server:
            nobody = Delegated(server, Person(server.url, server.user_id("admin"), "admin-of-admin"))
            yield Delegated(server, nobody.someone("admin", token="admin-of-admin"))
    finally:
        service.shutdown()
        service.server_close()


def log_ins(server: Homeserver) -> list[str]:
    return [request.uri for request in server.processed() if request.uri.endswith("/login")]


def test_what_the_admin_api_does_alone_works_there(delegated: Delegated, synadmin: Synadmin) -> None:
    room_id = delegated.someone("alice").make_room()
    arguments = ("room", "make-admin", room_id, "--allow", "reactivate", "--yes", "-o", "json")
    answer = synadmin(*arguments, server=delegated.server, acting=delegated.admin)
    assert answer.code == 0, answer.stderr
    (record,) = json.loads(answer.stdout)
    assert (record["outcome"], record["control"], record["reach"]) == ("done", True, "api")


@pytest.mark.parametrize("fate", ["left", "deactivated"])
@pytest.mark.parametrize("allow", [None, "impersonate", "reactivate"])
def test_what_takes_acting_as_others_is_refused_up_front_with_the_reason(
    delegated: Delegated, synadmin: Synadmin, fate: str, allow: str | None
) -> None:
    alice, bob = delegated.someone(f"alice-{fate}-{allow}".lower()), delegated.someone("bob")
    room_id = alice.make_room(members=[bob], left=[alice])
    if fate == "deactivated":
        delegated.admin.modify_user(alice, deactivated=True)
    before = held(delegated.admin, room_id, delegated.admin.user_id)
    options = () if allow is None else ("--allow", allow)
    arguments = ("room", "make-admin", room_id, *options, "--yes", "-o", "json")
    answer = synadmin(*arguments, server=delegated.server, acting=delegated.admin)
    (record,) = json.loads(answer.stdout)
    reason = "needs-impersonate" if fate == "left" else "needs-reactivate"
    assert (answer.code, record["outcome"], record["reason"], record["reach"]) == (5, "refused", reason, None)
    assert "Matrix Authentication Service" in record["message"]
    assert "--allow" not in record["message"]
    assert record["steps"] == []
    assert held(delegated.admin, room_id, delegated.admin.user_id) == before
    assert log_ins(delegated.server) == []


def test_levels_can_be_changed_there_with_ones_own_power_and_no_other(
    delegated: Delegated, synadmin: Synadmin
) -> None:
    alice, bob = delegated.someone("alice"), delegated.someone("bob")
    room_id = alice.make_room(members=[bob, delegated.admin], users={bob: 50})
    arguments = ("room", "demote", room_id, "bob", "--allow", "reactivate", "--yes")
    answer = synadmin(*arguments, server=delegated.server, acting=delegated.admin)
    assert answer.code == 5
    assert "Matrix Authentication Service" in answer.stderr
    assert log_ins(delegated.server) == []
    alice.set_power(room_id, {delegated.admin: 100})
    answer = synadmin(*arguments, server=delegated.server, acting=delegated.admin)
    assert answer.code == 0, answer.stderr
    content = (delegated.admin.levels_event(room_id) or {})["content"]
    assert bob.user_id not in content["users"]
