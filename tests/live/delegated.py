"""A Synapse whose accounts MAS manages, and no listener of MAS serves its admin API: an operator's default.

MAS is the stand-in of the sandbox. Tokens act on Synapse alone.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from synadmin.sandbox.accounts import Person
from synadmin.sandbox.homeserver import Homeserver
from synadmin.sandbox.mas.server import AuthenticationService, delegation
from synadmin.sandbox.mas.store import API, PERSONAL, SYNAPSE_ADMIN

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Delegated:
    """The server, its MAS, and its administrator."""

    server: Homeserver
    service: AuthenticationService
    admin: Person

    def someone(self, name: str) -> Person:
        return person(self.server, self.service, name, API)


def person(server: Homeserver, service: AuthenticationService, name: str, scope: str) -> Person:
    """Return somebody whom both know by now, with a session of no device."""
    store = service.store
    service.synapse.post("provision_user", localpart=name)
    with store.lock:
        user = store.user_named(name) or store.add_user(name)
        acting = {"actor_user_id": user["_id"], "owner_user_id": user["_id"], "owner_client_id": None}
        more = {"human_name": "tests", "scope": scope, "expires_at": None}
        token = store.add_token(store.add_session(PERSONAL, acting | more), "mpt", None)
    return Person(server.url, server.user_id(name), token["_token"])


@contextmanager
def running() -> Iterator[Delegated]:
    """Start both."""
    with AuthenticationService(lambda: server.url, lambda: server.server_name) as service:
        service.knobs.adminapi = False
        config = delegation(service.url, service.secret)
        with Homeserver(server_name="delegated.example", extra_config=config) as server:
            admin = person(server, service, "admin", f"{API} {SYNAPSE_ADMIN}")
            yield Delegated(server, service, admin)
