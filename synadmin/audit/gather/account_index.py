"""All accounts of the server from its user list, in about 50 bytes each.

The list is read instead of each account. This saves requests, and the list has the last use of an account
even if it was more than 28 days ago. A request for the single account does not (Synapse's
``user_ips_max_age``).
"""

from array import array
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from typing import NamedTuple

from synadmin.api.users import User
from synadmin.audit.gather.hash_table import HashTable
from synadmin.client import Synapse
from synadmin.errors import NotSupportedError
from synadmin.http.paging import Page
from synadmin.ids import UserId

FEW = 1000
"""On a server with at most this many accounts, the rooms of each account are read."""

_NEVER = -1
_MOST = 2**63 - 1
_DEACTIVATED, _LOCKED, _ADMIN, _GUEST, _SHADOW_BANNED = 1, 2, 4, 8, 16


def all_accounts(synapse: Synapse) -> Iterator[User]:
    """Yield every account of the user list, the deactivated and the locked ones too."""
    for page in _pages(synapse):
        yield from page.records()


def read_accounts(synapse: Synapse, account_count: Future[int]) -> "AccountIndex":
    """Read the user list; the first page sets ``account_count``, to 0 on a small server (:data:`FEW`).

    Without a first page, it is not set.

    Raises:
        SynadminError: the server answered with an error.
    """

    def users() -> Iterator[User]:
        for page in _pages(synapse):
            if not account_count.done():
                total = page.total or 0
                account_count.set_result(total if total > FEW else 0)
            yield from page.records()
            del page  # frees megabytes before the next page is read

    return AccountIndex(users())


def _pages(synapse: Synapse) -> Iterator[Page[User]]:
    try:
        yield from synapse.users.list(locked=True).pages()
    except NotSupportedError:
        # Synapse before 1.103.
        yield from synapse.users.list_v2(deactivated=True, locked=True).pages()


class AccountEntry(NamedTuple):
    """An account of the user list; times in milliseconds since the epoch."""

    deactivated: bool
    locked: bool
    admin: bool
    guest: bool
    shadow_banned: bool
    created: int | None
    seen: int | None


class AccountIndex:
    """The accounts by user id; 64 bits of a hash stand for an id.

    Attributes:
        users: their ids, where there are few accounts; else None.
    """

    def __init__(self, users: Iterable[User]) -> None:
        self._places = HashTable()
        self._created, self._seen, self._flags = array("q"), array("q"), array("B")
        names: list[UserId] = []
        for user in users:
            if len(names) <= FEW:
                names.append(user.name)
            self._places.set(hash(user.name), len(self._flags))
            self._created.append(_time(user.creation_ts))
            self._seen.append(_time(user.last_seen_ts))
            self._flags.append(
                _DEACTIVATED * user.deactivated
                | _LOCKED * user.locked
                | _ADMIN * user.admin
                | _GUEST * user.is_guest
                | _SHADOW_BANNED * user.shadow_banned
            )
            del user  # would keep its whole page in memory
        self.users = tuple(names) if len(names) <= FEW else None

    def __len__(self) -> int:
        return len(self._flags)

    def get(self, user: UserId) -> AccountEntry | None:
        """Return an account; None where the list has none of that name."""
        place = self._places.get(hash(user))
        if place is None:
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


def _time(milliseconds: int | None) -> int:
    """Return a time that fits into 64 bits, for every number that a server may send."""
    return _NEVER if milliseconds is None else max(_NEVER, min(milliseconds, _MOST))
