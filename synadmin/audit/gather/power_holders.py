"""The users with power: whether their accounts exist, the state of these, and the rooms of the users.

Each user is read once a run, even with power in many rooms. The answers are stored in little memory, since a
server may have a hundred thousand such users: a hash of 64 bits stands for an id.
"""

import threading
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Container, Iterable, Mapping
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
# Shared objects save memory: a server has many users, but few different accounts of this kind.
_ACCOUNTS = {
    (state, shadow_banned): Account(state, shadow_banned)
    for state in AccountState
    for shadow_banned in (False, True)
}
_SHADOW_BANNED, _APPSERVICE, _RESERVED, _UNNAMEABLE = 8, 16, 32, 64  # bits above the numbers of the states


@dataclass(frozen=True, slots=True)
class PowerHolder:
    """The account of a user with power in a room that is being checked.

    Attributes:
        facts: the account; None for a user of another server.
        account: the same, as the planner sees it.
    """

    facts: AccountFacts | None
    account: Account


class PowerHolders:
    """The users with power that this run has read. Methods may be called from every thread.

    Attributes:
        without: the local accounts that are treated as deactivated, with the hashes of their rooms.
    """

    def __init__(
        self,
        synapse: Synapse,
        accounts: Future[AccountIndex],
        *,
        server_name: str,
        now: int,
        without: Mapping[UserId, Collection[RoomId]] | None = None,
    ) -> None:
        """Create the users with power; no request is sent yet."""
        self.without = {user: frozenset(map(hash, rooms)) for user, rooms in (without or {}).items()}
        self._synapse = synapse
        self._accounts = accounts
        self._users: tuple[UserId, ...] | None = None  # all local users, where the rooms of each one are read
        self.server_name = server_name
        self._now = now
        self._lock = threading.Lock()
        self._asking: dict[tuple[str, UserId], Future[None]] = {}
        # By user: the number of the account's state, with flags, and the place where the user's rooms end.
        self._states = HashTable()
        self._places = HashTable()
        self._ends = array("Q")
        self._digests = array("q")
        self._memberships: dict[UserId, Mapping[RoomId, str]] = {}
        self._everyone: list[Future[int]] = []
        self._complete: bool | None = None
        self._joined: Counter[int] = Counter()

    def get(self, user: UserId) -> PowerHolder:
        """Return a user, who is read now unless this was done before.

        Raises:
            MatrixError: the server answered with an error.
        """
        flags = self._states.get(hash(user))
        if flags is None:
            self._once("account", user, lambda: self._ask_for_account(user))
            flags = self._states.get(hash(user))
            assert flags is not None  # noqa: S101  for the type checker
        return self._holder(user, flags, self._entry(user))

    def listed(self, user: UserId) -> PowerHolder:
        """Return a user from the user list; an account that the list lacks is read by itself.

        The list shows neither suspended users nor users of application services. Both are assumed to be
        false.

        Raises:
            MatrixError: the server answered with an error.
        """
        entry = None if self.is_asked(user) or user in self.without else self._entry(user)
        if entry is None:
            return self.get(user)
        state = AccountState.of(deactivated=entry.deactivated, locked=entry.locked)
        return self._holder(user, _STATES.index(state) | _SHADOW_BANNED * entry.shadow_banned, entry)

    def suspended(self, user: UserId) -> PowerHolder:
        """Return a user of the list as they would be if their account were suspended."""
        entry = self._entry(user)
        shadow_banned = entry is not None and entry.shadow_banned
        return self._holder(
            user, _STATES.index(AccountState.SUSPENDED) | _SHADOW_BANNED * shadow_banned, entry
        )

    def is_in(self, user: UserId, room_id: RoomId) -> bool:
        """Return whether a user is joined to a room; the user's rooms are read unless this was done before.

        Raises:
            MatrixError: the server answered with an error.
        """
        digest, place = hash(room_id), self._place(user)
        start, end = self._span(place)
        found = bisect_left(self._digests, digest, start, end)
        return found < end and self._digests[found] == digest

    def known_rooms(self, user: UserId) -> int:
        """Return how many rooms a user is joined to; 0 where this was not read."""
        place = self._places.get(hash(user))
        if place is None:
            return 0
        start, end = self._span(place)
        return end - start

    def membership(self, user: UserId, room_id: RoomId) -> str:
        """Return the membership of a user who is not joined to a room: invite, knock, ban or leave.

        Raises:
            NotSupportedError: Synapse before 1.145.
        """
        known = self._memberships.get(user)
        if known is None:
            try:
                answer = self._synapse.users.memberships(user).memberships
            except NotFoundError:
                answer = {}
            # Most memberships are "leave", so this is assumed.
            known = {room: how for room, how in answer.items() if how not in {"join", "leave"}}
            self._memberships[user] = known
        return known.get(room_id, "leave")

    @property
    def has_list(self) -> bool:
        """Whether the user list was read."""
        return self._accounts.done()

    def is_asked(self, user: UserId) -> bool:
        """Whether the server was asked about this account itself."""
        return hash(user) in self._states

    def _holder(self, user: UserId, flags: int, entry: AccountEntry | None) -> PowerHolder:
        state = _STATES[flags & 7]
        return PowerHolder(
            self._facts(user, state, flags, entry), _ACCOUNTS[state, bool(flags & _SHADOW_BANNED)]
        )

    def _span(self, place: int) -> tuple[int, int]:
        """Return where the rooms of a user begin and end."""
        return self._ends[place - 1] if place else 0, self._ends[place]

    def _entry(self, user: UserId) -> AccountEntry | None:
        return self._accounts.result().get(user) if self._accounts.done() else None

    def ask_everyone(self, pool: Pool) -> None:
        """Request the rooms of every account, if the list was read and has few accounts."""
        if self.has_list:
            self._users = self._accounts.result().users
        self._everyone = [pool.submit(self._place, user) for user in self._users or ()]

    def local_members(self, room_id: RoomId) -> int | None:
        """Return how many local users are joined to a room; None where the rooms of some were not read."""
        if self._users is None:
            return None
        if self._complete is None:
            # These jobs were queued before those of the rooms: they are running or done.
            wait(self._everyone)
            self._complete = all(future.exception() is None for future in self._everyone)
        return self._joined[hash(room_id)] if self._complete else None

    def number_without(self, room_id: RoomId) -> int:
        """Return how many of the users that are treated as deactivated are joined to a room."""
        return sum(hash(room_id) in rooms for rooms in self.without.values())

    def in_other_rooms(self, listed: Container[int]) -> tuple[UserId, ...] | None:
        """Return the accounts in a room that is not in ``listed``; None if some rooms were not read."""
        if self._users is None:
            return None
        places = ((user, self._places.get(hash(user))) for user in self._users)
        return tuple(
            user
            for user, place in places
            if place is not None
            and any(digest not in listed for digest in self._digests[slice(*self._span(place))])
        )

    def know_other_rooms(self, listed: Container[int]) -> bool:
        """Whether a local user whose rooms are known is in a room whose hash is not in ``listed``."""
        return any(digest not in listed for digest in self._digests)

    def _once(self, what: str, user: UserId, ask: Callable[[], None]) -> None:
        """Send a request about a user; where another thread sends the same one, wait for its answer."""
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
        """Return the number of a user, whose rooms are read unless this was done before."""
        place = self._places.get(hash(user))
        if place is None:
            self._once("rooms", user, lambda: self._read_rooms(user))
            place = self._places.get(hash(user))
            assert place is not None  # noqa: S101  for the type checker
        return place

    def _ask_for_account(self, user: UserId) -> None:
        if hash(user) not in self._states:
            flags = self._asked_flags(user)
            with self._lock:
                self._states.set(hash(user), flags)

    def _read_rooms(self, user: UserId) -> None:
        if hash(user) in self._places:
            return
        rooms: tuple[RoomId, ...] = ()
        if user not in self.without:
            with suppress(NotFoundError):
                rooms = self._synapse.activity.joined_rooms(user).joined_rooms
        digests = sorted(map(hash, rooms))
        with self._lock:
            if self._users is not None and server_name_of(user) == self.server_name:
                self._joined.update(digests)
            self._digests.extend(digests)
            self._ends.append(len(self._digests))
            # This comes last: from here on other threads see the entry.
            self._places.set(hash(user), len(self._ends) - 1)

    def _asked_flags(self, user: UserId) -> int:
        """Read an account, and return its flags and the number of its state."""
        if server_name_of(user) != self.server_name:
            return _STATES.index(AccountState.ACTIVE)
        entry = self._entry(user)
        if user in self.without or (entry is not None and entry.deactivated):
            return _STATES.index(AccountState.DEACTIVATED)
        # The list does not show who is suspended, and accounts that it lacks may be new.
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
        """Return the flags of a name that no user can register: it is reserved, or not valid."""
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
        if server_name_of(user) != self.server_name:
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


def with_holders(
    facts: RoomFacts, holders: Mapping[UserId, PowerHolder], is_in: Callable[[UserId], bool]
) -> RoomFacts:
    """Return the facts about a room with the accounts of these users, and with whether they are joined."""
    return with_accounts(facts, holders, _memberships(facts, holders, is_in))


def with_memberships(facts: RoomFacts, users: Iterable[UserId], is_in: Callable[[UserId], bool]) -> RoomFacts:
    """Return the facts about a room with whether these users are joined."""
    return with_accounts(facts, {}, _memberships(facts, users, is_in))


def _memberships(
    facts: RoomFacts, users: Iterable[UserId], is_in: Callable[[UserId], bool]
) -> Mapping[UserId, str]:
    return {**facts.view.memberships, **{user: "join" if is_in(user) else "leave" for user in users}}


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
    # The levels are computed once for a room, and not again for each user that is added.
    vars(view)["levels"] = levels
    return replace(facts, view=view, accounts=accounts)


def facts_of(user: User, *, now: int) -> AccountFacts:
    """Return the facts about an account of the user list, which does not show suspensions."""
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
    """Return the facts about an account, with the suspension, which the list does not show."""
    try:
        details = synapse.users.get(facts.user_id)
    except NotFoundError:
        return replace(facts, state=AccountState.MISSING)
    state = AccountState.of(
        deactivated=details.deactivated, suspended=details.suspended, locked=details.locked
    )
    return replace(facts, state=state, appservice=details.appservice_id is not None)
