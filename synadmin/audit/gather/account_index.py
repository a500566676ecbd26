"""All accounts of the server from its user list, in 25 bytes each.

The list is asked rather than each account by itself, not only for the sake of few requests: by itself an
account tells only of the last 28 days when it was last seen (Synapse's ``user_ips_max_age``).
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple

from synadmin.api.users import User
from synadmin.ids import UserId

_NEVER = -1
_DEACTIVATED, _LOCKED, _ADMIN, _GUEST, _SHADOW_BANNED = 1, 2, 4, 8, 16


class AccountEntry(NamedTuple):
    """An account as the user list has it; times in milliseconds since the epoch."""

    deactivated: bool
    locked: bool
    admin: bool
    guest: bool
    shadow_banned: bool
    created: int | None
    seen: int | None


class AccountIndex:
    """The accounts by user id; 64 bits of a hash stand for an id."""

    def __init__(self, users: Iterable[User]) -> None:
        digests, created, seen, flags = array("q"), array("q"), array("q"), array("B")
        for user in users:
            digests.append(hash(user.name))
            created.append(_NEVER if user.creation_ts is None else user.creation_ts)
            seen.append(_NEVER if user.last_seen_ts is None else user.last_seen_ts)
            flags.append(
                _DEACTIVATED * user.deactivated
                | _LOCKED * user.locked
                | _ADMIN * user.admin
                | _GUEST * user.is_guest
                | _SHADOW_BANNED * user.shadow_banned
            )
        order = sorted(range(len(digests)), key=digests.__getitem__)
        self._digests = array("q", (digests[place] for place in order))
        self._created = array("q", (created[place] for place in order))
        self._seen = array("q", (seen[place] for place in order))
        self._flags = array("B", (flags[place] for place in order))

    def __len__(self) -> int:
        return len(self._digests)

    def get(self, user: UserId) -> AccountEntry | None:
        """Return an account; None where the list has none of that name."""
        digest = hash(user)
        place = bisect_left(self._digests, digest)
        if place == len(self._digests) or self._digests[place] != digest:
            return None
        flags, created, seen = self._flags[place], self._created[place], self._seen[place]
        return AccountEntry(
            deactivated=bool(flags & _DEACTIVATED),
            locked=bool(flags & _LOCKED),
            admin=bool(flags & _ADMIN),
            guest=bool(flags & _GUEST),
            shadow_banned=bool(flags & _SHADOW_BANNED),
            created=None if created == _NEVER else created,
            seen=None if seen == _NEVER else seen,
        )
