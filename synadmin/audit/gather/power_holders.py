"""The users with power: whether they exist, in which state they are, and which rooms they are in.

Each is asked about once a run, in however many rooms they hold power. The answers are kept flat and small,
since a server may have a hundred thousand such users: 64 bits of a hash stand for an id.
"""

import threading
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Container, Mapping
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass, replace

from synadmin.api.users import User
from synadmin.audit.facts import AccountFacts, RoomFacts
from synadmin.audit.gather.account_index import AccountEntry, AccountIndex
from synadmin.audit.gather.hash_table import HashTable
from synadmin.client import Synapse
from synadmin.errors import MatrixError, NotFoundError, RateLimitedError, ServerError
from synadmin.ids import RoomId, UserId, server_name_of
from synadmin.parallel import Pool
from synadmin.power.room import Account, AccountState

_STATES = tuple(AccountState)
# One of each: a server has many users, and few of them differ in this.
_ACCOUNTS = {
    (state, shadow_banned): Account(state, shadow_banned)
    for state in AccountState
    for shadow_banned in (False, True)
}
_SHADOW_BANNED, _APPSERVICE, _RESERVED, _UNNAMEABLE = 8, 16, 32, 64  # above the numbers of the states
_NOT_ASKED = 255


@dataclass(frozen=True, slots=True)
class PowerHolder:
    """A user with power, for as long as a room of theirs is checked.

    Attributes:
        facts: the account; None for a user of another server.
        account: the same, as the planner sees it.
    """

    facts: AccountFacts | None
    account: Account
    _digests: "array[int]"
    _start: int
    _end: int

    @property
    def rooms(self) -> int:
        """How many rooms the user is joined to."""
        return self._end - self._start

    def is_in(self, room_id: RoomId) -> bool:
        """Whether the user is joined to a room."""
        digest = hash(room_id)
        place = bisect_left(self._digests, digest, self._start, self._end)
        return place < self._end and self._digests[place] == digest


class PowerHolders:
    """The users that this run has asked about; from any thread."""

    def __init__(
        self,
        synapse: Synapse,
        accounts: Future[AccountIndex],
        *,
        server_name: str,
        now: int,
        without: Mapping[UserId, Collection[RoomId]] | None = None,
    ) -> None:
        """Begin; no account was asked for yet.

        Args:
            synapse: the server.
            accounts: the user list, which may be on its way.
            server_name: of the server.
            now: when this is asked, in milliseconds since the epoch.
            without: local accounts that are taken for deactivated, and the rooms that they are in.
        """
        self.without = {user: frozenset(map(hash, rooms)) for user, rooms in (without or {}).items()}
        self._synapse = synapse
        self._accounts = accounts
        self._users: tuple[UserId, ...] | None = None  # all of them, where each is asked for its rooms
        self._server_name = server_name
        self._now = now
        self._lock = threading.Lock()
        self._asking: dict[tuple[str, UserId], Future[None]] = {}
        # A number for each user: of where their rooms end among those of all, and of what is known of them.
        self._places = HashTable()
        self._ends = array("Q")
        self._flags = array("B")
        self._digests = array("q")
        self._everyone: list[Future[int]] = []
        self._complete: bool | None = None
        self._joined: Counter[int] = Counter()

    def get(self, user: UserId) -> PowerHolder:
        """Return a user, asked about now unless that was done before.

        Raises:
            MatrixError: the server does not say.
        """
        place = self._place(user)
        if self._flags[place] == _NOT_ASKED:
            self._once("account", user, lambda: self._ask_for_account(user, place))
        return self._holder(user, self._flags[place], self._entry(user))

    def listed(self, user: UserId) -> PowerHolder:
        """Return a user as far as the user list tells; asked about where the list lacks the account.

        The list tells neither who is suspended nor who belongs to an application service. Both are taken for
        not so.

        Raises:
            MatrixError: the server does not say.
        """
        entry = None if self.is_asked(user) or user in self.without else self._entry(user)
        if entry is None:
            return self.get(user)
        state = AccountState.of(deactivated=entry.deactivated, locked=entry.locked)
        return self._holder(user, _STATES.index(state) | _SHADOW_BANNED * entry.shadow_banned, entry)

    def placed(self, user: UserId) -> PowerHolder:
        """Return a user without the account, which is not asked about.

        Raises:
            MatrixError: the server does not say.
        """
        start, end = self._span(user)
        return PowerHolder(None, _ACCOUNTS[AccountState.ACTIVE, False], self._digests, start, end)

    @property
    def has_list(self) -> bool:
        """Whether the user list is there."""
        return self._accounts.done()

    def is_asked(self, user: UserId) -> bool:
        """Whether the server was asked about this account itself."""
        place = self._places.get(hash(user))
        return place is not None and self._flags[place] != _NOT_ASKED

    def _holder(self, user: UserId, flags: int, entry: AccountEntry | None) -> PowerHolder:
        state = _STATES[flags & 7]
        start, end = self._span(user)
        return PowerHolder(
            self._facts(user, state, flags, entry),
            _ACCOUNTS[state, bool(flags & _SHADOW_BANNED)],
            self._digests,
            start,
            end,
        )

    def _span(self, user: UserId) -> tuple[int, int]:
        """Return where the rooms of a user begin and end."""
        place = self._place(user)
        return self._ends[place - 1] if place else 0, self._ends[place]

    def _entry(self, user: UserId) -> AccountEntry | None:
        return self._accounts.result().get(user) if self._accounts.done() else None

    def ask_everyone(self, pool: Pool) -> None:
        """Ask every account for its rooms, where the list is there and has few accounts."""
        if self.has_list:
            self._users = self._accounts.result().users
        self._everyone = [pool.submit(self._place, user) for user in self._users or ()]

    def local_members(self, room_id: RoomId) -> int | None:
        """Return how many local users are joined to a room; None where not all of them were asked."""
        if self._users is None:
            return None
        if self._complete is None:
            # These jobs were queued before those of the rooms: they are running or done.
            wait(self._everyone)
            self._complete = all(future.exception() is None for future in self._everyone)
        return self._joined[hash(room_id)] if self._complete else None

    def number_without(self, room_id: RoomId) -> int:
        """Return how many of the users that are taken for deactivated are joined to a room."""
        return sum(hash(room_id) in rooms for rooms in self.without.values())

    def in_other_rooms(self, listed: Container[int]) -> tuple[UserId, ...] | None:
        """Return the accounts that are in a room whose hash is not listed; None where not all were asked."""
        if self._users is None:
            return None
        asked = [user for user in self._users if hash(user) in self._places]
        return tuple(
            user
            for user in asked
            if any(digest not in listed for digest in self._digests[slice(*self._span(user))])
        )

    def know_other_rooms(self, listed: Container[int]) -> bool:
        """Whether a local user that was asked about is in a room whose hash is not listed."""
        return any(digest not in listed for digest in self._digests)

    def _once(self, what: str, user: UserId, ask: Callable[[], None]) -> None:
        """Ask something about a user; where another thread is asking the same, wait for it."""
        key = what, user
        with self._lock:
            begun = self._asking.get(key)
            future = self._asking[key] = begun or Future()
        if begun is not None:
            begun.result()
            return
        try:
            ask()
        except BaseException as error:
            future.set_exception(error)
            raise
        else:
            future.set_result(None)
        finally:
            del self._asking[key]

    def _place(self, user: UserId) -> int:
        """Return the number of a user, who is asked for their rooms unless that was done before."""
        place = self._places.get(hash(user))
        if place is None:
            self._once("rooms", user, lambda: self._read_rooms(user))
            place = self._places.get(hash(user))
            assert place is not None  # noqa: S101  for the type checker
        return place

    def _ask_for_account(self, user: UserId, place: int) -> None:
        self._flags[place] = self._asked_flags(user)

    def _read_rooms(self, user: UserId) -> None:
        if hash(user) in self._places:
            return
        rooms: tuple[RoomId, ...] = ()
        if user not in self.without:
            with suppress(NotFoundError):
                rooms = self._synapse.activity.joined_rooms(user).joined_rooms
        digests = sorted(map(hash, rooms))
        with self._lock:
            if self._users is not None and server_name_of(user) == self._server_name:
                self._joined.update(digests)
            self._digests.extend(digests)
            self._flags.append(_NOT_ASKED)
            self._ends.append(len(self._digests))
            # Last of all: from here on others see it.
            self._places.set(hash(user), len(self._ends) - 1)

    def _asked_flags(self, user: UserId) -> int:
        """Return what the server says of an account, as flags above the number of its state."""
        if server_name_of(user) != self._server_name:
            return _STATES.index(AccountState.ACTIVE)
        entry = self._entry(user)
        if user in self.without or (entry is not None and entry.deactivated):
            return _STATES.index(AccountState.DEACTIVATED)
        # The list does not tell who is suspended, and accounts that it lacks may be new.
        try:
            details = self._synapse.users.get(user)
        except NotFoundError:
            return _STATES.index(AccountState.MISSING) | self._flags_of_name(user)
        state = AccountState.of(
            deactivated=details.deactivated, suspended=details.suspended, locked=details.locked
        )
        flags = _STATES.index(state) | _SHADOW_BANNED * details.shadow_banned
        return flags | _APPSERVICE * (details.appservice_id is not None)

    def _flags_of_name(self, user: UserId) -> int:
        """Whether no user can register this name: it is reserved, or not valid."""
        try:
            self._synapse.lookup.username_available(user[1:].partition(":")[0])
        except (ServerError, RateLimitedError):
            raise
        except MatrixError as error:
            return {"M_EXCLUSIVE": _RESERVED, "M_INVALID_USERNAME": _UNNAMEABLE}.get(error.errcode, 0)
        return 0

    def _facts(
        self, user: UserId, state: AccountState, flags: int, entry: AccountEntry | None
    ) -> AccountFacts | None:
        if server_name_of(user) != self._server_name:
            return None
        return AccountFacts(
            user_id=user,
            state=state,
            admin=entry is not None and entry.admin,
            guest=entry is not None and entry.guest,
            # An account that is not on the list was made after the list.
            created=self._now if entry is None else entry.created,
            seen=None if entry is None else entry.seen,
            appservice=bool(flags & _APPSERVICE),
            reserved=bool(flags & _RESERVED),
            nameable=not flags & (_RESERVED | _UNNAMEABLE),
            now=self._now,
        )


def with_holders(facts: RoomFacts, holders: Mapping[UserId, PowerHolder]) -> RoomFacts:
    """Return the facts about a room with these users in them."""
    room_id = facts.room_id
    found = {user: "join" if holder.is_in(room_id) else "leave" for user, holder in holders.items()}
    return with_accounts(facts, holders, {**facts.view.memberships, **found})


def with_accounts(
    facts: RoomFacts, holders: Mapping[UserId, PowerHolder], memberships: Mapping[UserId, str] | None = None
) -> RoomFacts:
    """Return the facts about a room with the accounts of these users; memberships stay, unless given."""
    planned: dict[UserId, Account] = dict(facts.view.accounts)
    accounts: dict[UserId, AccountFacts] = dict(facts.accounts)
    for user, holder in holders.items():
        if holder.facts is not None:
            planned[user] = holder.account
            accounts[user] = holder.facts
    if memberships is None:
        memberships = facts.view.memberships
    levels = facts.view.levels
    view = replace(facts.view, memberships=memberships, accounts=planned)
    # Worked out once for a room, and not again for each user that is added.
    vars(view)["levels"] = levels
    return replace(facts, view=view, accounts=accounts)


def facts_of(user: User, *, now: int) -> AccountFacts:
    """Return the facts about an account as the user list has it, which does not tell suspensions."""
    return AccountFacts(
        user_id=user.name,
        state=AccountState.of(deactivated=user.deactivated, locked=user.locked),
        admin=user.admin,
        guest=user.is_guest,
        created=user.creation_ts,
        seen=user.last_seen_ts,
        now=now,
    )


def with_details(synapse: Synapse, facts: AccountFacts) -> AccountFacts:
    """Return the facts about an account with what the list does not tell."""
    try:
        details = synapse.users.get(facts.user_id)
    except NotFoundError:
        return replace(facts, state=AccountState.MISSING)
    state = AccountState.of(
        deactivated=details.deactivated, suspended=details.suspended, locked=details.locked
    )
    return replace(facts, state=state, appservice=details.appservice_id is not None)
