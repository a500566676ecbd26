"""The users with power: whether they exist, in which state they are, and which rooms they are in.

Each is asked about once a run, whatever number of rooms they have power in. What is kept of it is flat and
small, since a server may have a hundred thousand of them: 64 bits of a hash stand for an id.
"""

import threading
from array import array
from bisect import bisect_left
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace

from synadmin.api.users import User
from synadmin.audit.facts import AccountFacts, RoomFacts
from synadmin.audit.gather.account_index import AccountIndex
from synadmin.audit.gather.pool import Pool
from synadmin.client import Synapse
from synadmin.errors import NotFoundError
from synadmin.ids import RoomId, UserId, server_name_of
from synadmin.power.room import Account, AccountState

_STATES = tuple(AccountState)
# One of each: a server has many users, and few of them differ in this.
_ACCOUNTS = {
    (state, shadow_banned): Account(state, shadow_banned)
    for state in AccountState
    for shadow_banned in (False, True)
}
_SHADOW_BANNED, _APPSERVICE = 8, 16  # above the numbers of the states


@dataclass(frozen=True, slots=True)
class PowerHolder:
    """A user with power, for as long as a room of theirs is looked at.

    Attributes:
        facts: the account; None for a user of another server.
        account: the same, as the planner sees it.
    """

    facts: AccountFacts | None
    account: Account
    _digests: "array[int]"
    _start: int
    _end: int

    def is_in(self, room_id: RoomId) -> bool:
        """Tell whether the user is joined to a room."""
        digest = hash(room_id)
        place = bisect_left(self._digests, digest, self._start, self._end)
        return place < self._end and self._digests[place] == digest


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the server has said of somebody."""

    state: AccountState
    shadow_banned: bool
    appservice: bool
    digests: "array[int]"


class PowerHolders:
    """Whoever was asked about in this run."""

    def __init__(
        self, synapse: Synapse, pool: Pool, accounts: AccountIndex, *, server_name: str, now: int
    ) -> None:
        """Begin, with nobody asked about.

        Args:
            synapse: the server.
            pool: what asks.
            accounts: the user list.
            server_name: of the server.
            now: when this is found, in milliseconds since the epoch.
        """
        self._synapse = synapse
        self._pool = pool
        self._accounts = accounts
        self._server_name = server_name
        self._now = now
        self._pending: dict[UserId, Future[PowerHolder]] = {}
        self._places: dict[int, int] = {}
        self._flags = array("B")
        self._ends = array("Q")
        self._digests = array("q")
        self._writing = threading.Lock()

    def ask(self, user: UserId) -> PowerHolder | Future[PowerHolder]:
        """Return what is known of a user, or where it will be."""
        known = self._known(user)
        if known is not None:
            return known
        pending = self._pending.get(user)
        if pending is None:
            pending = self._pending[user] = self._pool.submit(self.now, user)
            pending.add_done_callback(lambda _: self._pending.pop(user, None))
        return pending

    def now(self, user: UserId) -> PowerHolder:
        """Return what is known of a user, asked for here and now: for whoever is in the pool already.

        Raises:
            MatrixError: the server does not say.
        """
        known = self._known(user)
        if known is not None:
            return known
        asked = self._asked(user)
        with self._writing:
            if hash(user) not in self._places:
                self._write(user, asked)
        return self._at(user, self._places[hash(user)])

    def _write(self, user: UserId, asked: _Asked) -> None:
        self._digests.extend(asked.digests)
        self._ends.append(len(self._digests))
        flags = _STATES.index(asked.state)
        flags |= _SHADOW_BANNED * asked.shadow_banned | _APPSERVICE * asked.appservice
        self._flags.append(flags)
        # Last of all: from here on others see it.
        self._places[hash(user)] = len(self._flags) - 1

    def _known(self, user: UserId) -> PowerHolder | None:
        place = self._places.get(hash(user))
        return None if place is None else self._at(user, place)

    def _at(self, user: UserId, place: int) -> PowerHolder:
        flags = self._flags[place]
        state = _STATES[flags & 7]
        return PowerHolder(
            self._facts(user, state, appservice=bool(flags & _APPSERVICE)),
            _ACCOUNTS[state, bool(flags & _SHADOW_BANNED)],
            self._digests,
            self._ends[place - 1] if place else 0,
            self._ends[place],
        )

    def _facts(self, user: UserId, state: AccountState, *, appservice: bool) -> AccountFacts | None:
        if server_name_of(user) != self._server_name:
            return None
        listed = self._accounts.get(user)
        return AccountFacts(
            user_id=user,
            state=state,
            admin=listed is not None and listed.admin,
            guest=listed is not None and listed.guest,
            # Who is not on the list has come since it was made.
            created=self._now if listed is None else listed.created,
            seen=None if listed is None else listed.seen,
            appservice=appservice,
            now=self._now,
        )

    def _asked(self, user: UserId) -> _Asked:
        state, shadow_banned, appservice = AccountState.ACTIVE, False, False
        if server_name_of(user) == self._server_name:
            listed = self._accounts.get(user)
            if listed is not None and listed.deactivated:
                state = AccountState.DEACTIVATED
            else:
                # The list does not say who is suspended, and whoever is not on it may have come later.
                try:
                    details = self._synapse.users.get(user)
                except NotFoundError:
                    return _Asked(AccountState.MISSING, False, False, array("q"))  # noqa: FBT003
                state = _state(
                    deactivated=details.deactivated, suspended=details.suspended, locked=details.locked
                )
                shadow_banned, appservice = details.shadow_banned, details.appservice_id is not None
        rooms = self._synapse.activity.joined_rooms(user).joined_rooms
        return _Asked(state, shadow_banned, appservice, array("q", sorted(map(hash, rooms))))


def with_holders(facts: RoomFacts, people: Mapping[UserId, PowerHolder]) -> RoomFacts:
    """Return the facts about a room with these people in them."""
    view = facts.view
    memberships: dict[UserId, str] = dict(view.memberships)
    planned: dict[UserId, Account] = dict(view.accounts)
    accounts: dict[UserId, AccountFacts] = dict(facts.accounts)
    for user, person in people.items():
        memberships[user] = "join" if person.is_in(view.room_id) else "leave"
        if person.facts is not None:
            planned[user] = person.account
            accounts[user] = person.facts
    return replace(facts, view=replace(view, memberships=memberships, accounts=planned), accounts=accounts)


def facts_of(user: User, *, now: int) -> AccountFacts:
    """Return the facts about an account as the user list has it: of suspensions it does not know."""
    return AccountFacts(
        user_id=user.name,
        state=_state(deactivated=user.deactivated, suspended=False, locked=user.locked),
        admin=user.admin,
        guest=user.is_guest,
        created=user.creation_ts,
        seen=user.last_seen_ts,
        now=now,
    )


def with_details(synapse: Synapse, facts: AccountFacts) -> AccountFacts:
    """Return the facts about an account with what the list does not say."""
    try:
        details = synapse.users.get(facts.user_id)
    except NotFoundError:
        return replace(facts, state=AccountState.MISSING)
    state = _state(deactivated=details.deactivated, suspended=details.suspended, locked=details.locked)
    return replace(facts, state=state, appservice=details.appservice_id is not None)


def _state(*, deactivated: bool, suspended: bool, locked: bool) -> AccountState:
    if deactivated:
        return AccountState.DEACTIVATED
    # Through a locked account power can be given, through a suspended one it cannot, locked or not.
    if suspended:
        return AccountState.SUSPENDED
    return AccountState.LOCKED if locked else AccountState.ACTIVE
