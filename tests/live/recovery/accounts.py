"""Deactivate accounts, and read memberships and impersonation tokens from the database."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from synadmin.ids import RoomId, encoded
from tests.live.database import rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from synadmin.sandbox.accounts import Person
    from synadmin.sandbox.homeserver import Homeserver

_TIMEOUT = 90  # seconds until a deactivated user has left all rooms


def deactivate(admin: Person, who: Person, *, erase: bool) -> None:
    """Deactivate a user, and wait until the user has left all rooms."""
    admin.call("POST", f"/_synapse/admin/v1/deactivate/{encoded(who.user_id)}", {"erase": erase})
    until = time.monotonic() + _TIMEOUT
    path = f"/_synapse/admin/v1/users/{encoded(who.user_id)}/joined_rooms"
    while admin.call("GET", path)["joined_rooms"]:
        assert time.monotonic() < until
        time.sleep(0.05)


def memberships(server: Homeserver, who: Person) -> dict[RoomId, str]:
    """Return the memberships of a user, from Synapse's database: old versions have no API for them."""
    return {
        RoomId(room_id): membership
        for room_id, membership in rows(
            server, "SELECT room_id, membership FROM local_current_membership WHERE user_id = ?", who.user_id
        )
    }


def borrowed_tokens(server: Homeserver, people: Iterable[Person]) -> int:
    """Return the number of tokens that impersonate these users, from the database: no API lists them."""
    users = [who.user_id for who in people]
    marks = ",".join("?" * len(users))
    query = f"SELECT count(*) FROM access_tokens WHERE puppets_user_id IN ({marks})"  # noqa: S608
    ((count,),) = rows(server, query, *users)
    return int(count)
