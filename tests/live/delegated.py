"""A Synapse whose accounts MAS manages. As by default, no listener of MAS serves its admin API.

MAS is the sandbox's simulated MAS. The tokens are valid for Synapse only.
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
    """The server, its MAS, and its server admin."""

    server: Homeserver
    service: AuthenticationService
    admin: Person

    def someone(self, name: str) -> Person:
        return person(self.server, self.service, name, API)


def person(server: Homeserver, service: AuthenticationService, name: str, scope: str) -> Person:
    """Return a user that exists in MAS and Synapse, with a session that has no device."""
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
    """Start MAS and Synapse."""
    with AuthenticationService(lambda: server.url, lambda: server.server_name) as service:
        service.knobs.adminapi = False
        config = delegation(service.url, service.secret)
        with Homeserver(server_name="delegated.example", extra_config=config) as server:
            admin = person(server, service, "admin", f"{API} {SYNAPSE_ADMIN}")
            yield Delegated(server, service, admin)
