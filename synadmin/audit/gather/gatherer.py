"""From the server to the facts, with few requests: one a room, and two for each local user with power.

A room costs its power levels. Who is where comes from the rooms of those who have power, asked for once
each, and not from the rooms' member lists, which grow. More is asked of a room only where that may change
what is found in it, and of all rooms alike on a server that is small enough for it not to matter.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import replace
from functools import cached_property
from typing import Any

from synadmin.audit.facts import AccountFacts, DelegationFacts, RoomFacts, ServerFacts
from synadmin.audit.findings import Subject
from synadmin.audit.gather.account_index import AccountIndex
from synadmin.audit.gather.coverage import Coverage, OutOfTimeError, Wanted, is_fatal
from synadmin.audit.gather.power_holders import facts_of, with_details
from synadmin.audit.gather.prefetch import Prefetcher
from synadmin.audit.gather.rooms import Rooms
from synadmin.audit.gather.server_facts import ADMIN_RULES, Server
from synadmin.errors import ConnectError, NotSupportedError, SynadminError
from synadmin.ids import UserId, server_name_of

_PAGE = 1000  # accounts


class Gatherer:
    """Looks at everything that the rules want to see, once.

    Attributes:
        coverage: what was looked at and what was missed, so far.
    """

    def __init__(
        self,
        ahead: Prefetcher,
        wanted: Wanted,
        *,
        until: float | None = None,
        delegation: Callable[[str], DelegationFacts] | None = None,
        update_at_baseline: str | None = None,
    ) -> None:
        """Begin; nothing more is asked yet.

        Args:
            ahead: the way to the server, and what was asked already.
            wanted: what is asked for.
            until: the time of the monotonic clock, in seconds, at which the run ends.
            delegation: what looks whether the server's name leads to it.
            update_at_baseline: the background update that was running when the baseline was written.
        """
        self.coverage = Coverage(wanted, until=until)
        self._ahead = ahead
        self._synapse = ahead.synapse
        self._pool = ahead.pool
        self._delegation = delegation
        self._update_at_baseline = update_at_baseline

    @cached_property
    def caller(self) -> UserId:
        """Whose token it is.

        Raises:
            ConnectError: the time is up before the server says so.
        """
        try:
            return self.coverage.awaited(self._ahead.owner)
        except OutOfTimeError:
            message = "the time was up before the server had answered"
            raise ConnectError(message) from None

    @cached_property
    def server_name(self) -> str:
        """The server's name."""
        return server_name_of(self.caller)

    @property
    def _itself(self) -> Subject:
        return Subject("server", self.server_name)

    # Rooms

    def rooms(self) -> Iterator[RoomFacts]:
        """Look at all rooms, one after the other; what could not be looked at is in ``coverage``.

        Raises:
            ConnectError: the server is gone.
            NotPermittedError: the token is not a server admin's.
        """
        self.coverage.checked["rooms"] = 0
        accounts = self._pool.submit(self._accounts)
        # The server has little to do while it makes its list of rooms.
        self._parts  # noqa: B018
        for facts in Rooms(self._ahead, self.coverage, accounts=accounts, caller=self.caller).facts():
            self.coverage.checked["rooms"] += 1
            yield facts

    # Accounts

    def users(self) -> Iterator[AccountFacts]:
        """Look at all accounts.

        Raises:
            SynadminError: they cannot be listed.
        """
        self.coverage.checked["users"] = 0
        for user in self._user_list():
            if self.coverage.is_over:
                self.coverage.miss(self._itself, "the time was up before all accounts were looked at")
                return
            facts = facts_of(user, now=self.coverage.now)
            if facts.unseen >= self.coverage.wanted.dormant:
                facts = with_details(self._synapse, facts)
            self.coverage.checked["users"] += 1
            yield facts

    def _accounts(self) -> AccountIndex:
        accounts = AccountIndex(self._user_list())
        self.coverage.checked["users"] = len(accounts)
        return accounts

    def _user_list(self) -> Iterator[Any]:
        users = self._synapse.users
        try:
            yield from users.list(locked=True, page_size=_PAGE)
        except NotSupportedError:
            # Synapse before 1.103.
            yield from users.list_v2(deactivated=True, locked=True, page_size=_PAGE)

    # The server

    def server(self) -> ServerFacts:
        """Look at the server itself; what could not be looked at is in ``coverage``.

        Raises:
            ConnectError: the server is gone.
            NotPermittedError: the token is not a server admin's.
        """
        facts = ServerFacts(
            server_name=self.server_name, update_at_baseline=self._update_at_baseline, now=self.coverage.now
        )
        for rules, part in self._parts.items():
            try:
                facts = replace(facts, **self.coverage.awaited(part))
            except OutOfTimeError:
                self.coverage.miss(self._itself, f"the time was up before {rules[0]} was looked at")
            except NotSupportedError as error:
                self.coverage.miss(self._itself, f"{rules[0]}: {error}", gone=True)
            except SynadminError as error:
                if is_fatal(error):
                    raise
                self.coverage.miss(self._itself, f"{rules[0]}: {error}")
        if self._delegation is not None:
            facts = replace(facts, delegation=self._delegation(self.server_name))
        if ADMIN_RULES in self._parts:
            self.coverage.checked.setdefault("users", len(facts.admins))
        if self._delegation is not None or any(rules != ADMIN_RULES for rules in self._parts):
            self.coverage.checked["server"] = 1
        return facts

    @cached_property
    def _parts(self) -> Mapping[tuple[str, ...], Future[Mapping[str, Any]]]:
        """What the rules about the server are about, asked for."""
        server = Server(self._synapse, now=self.coverage.now)
        return {
            rules: self._pool.submit(look)
            for rules, look in server.parts(failing=self.coverage.wanted.failing).items()
            if any(rule in self.coverage.wanted.rules for rule in rules)
        }
