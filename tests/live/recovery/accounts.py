"""What becomes of accounts: they are deactivated, and others act in their name."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from typing import TYPE_CHECKING

from synadmin.ids import encoded

if TYPE_CHECKING:
    from collections.abc import Iterable

    from synadmin.sandbox.homeserver import Homeserver
    from synadmin.sandbox.people import Person

_PATIENCE = 90  # seconds until a deactivated user has left their rooms


def deactivate(admin: Person, who: Person, *, erase: bool) -> None:
    """Deactivate somebody, and wait until they have left their rooms."""
    admin.call("POST", f"/_synapse/admin/v1/deactivate/{encoded(who.user_id)}", {"erase": erase})
    until = time.monotonic() + _PATIENCE
    while "join" in admin.synapse.users.memberships(who.user_id).memberships.values():
        assert time.monotonic() < until
        time.sleep(0.05)


def borrowed_tokens(server: Homeserver, people: Iterable[Person]) -> int:
    """How many tokens there are with which somebody acts as one of these; Synapse does not tell."""
    database = f"file:{server.directory}/homeserver.db?mode=ro"
    users = [who.user_id for who in people]
    marks = ",".join("?" * len(users))
    query = f"SELECT count(*) FROM access_tokens WHERE puppets_user_id IN ({marks})"  # noqa: S608
    with contextlib.closing(sqlite3.connect(database, uri=True, timeout=30)) as connection:
        return int(connection.execute(query, users).fetchone()[0])
