"""From the server to the facts, with few requests: one a room, and one or two for each local user with power.

Of each room, the power levels are read. Who is in a room comes from the rooms of each user, read once, and
not from the member lists of the rooms, which grow. Where there are as many accounts as rooms, the whole
state of a room with few state events is read instead: it has the members. The user list has all of an account
except whether it is suspended and whether it belongs to an application service: a single account is read only
where a finding depends on it. More of a room is read only where a finding depends on it or where answers
contradict each other; on a small server, it is read of all rooms.
"""

from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

from synadmin.audit.facts import AccountFacts, DelegationFacts, HeirFacts, Need, RoomFacts, ServerFacts
from synadmin.audit.findings import Subject
from synadmin.audit.gather.account_index import AccountIndex, all_accounts, read_accounts
from synadmin.audit.gather.coverage import Coverage, Needs, OutOfTimeError, is_fatal
from synadmin.audit.gather.power_holders import facts_of, with_details
from synadmin.audit.gather.prefetch import Prefetcher
from synadmin.audit.gather.room_facts import how_far
from synadmin.audit.gather.rooms import RoomGatherer
from synadmin.audit.gather.server_facts import ASK, ServerAsker
from synadmin.errors import ConnectError, NotSupportedError, RefusedError, SynadminError
from synadmin.ids import UserId, server_name_of
from synadmin.parallel import FAILURES, GaveUpError
from synadmin.power.room import Reach

_DAY = 86_400_000  # milliseconds


class Gatherer:
    """Gathers the facts for the rules.

    Attributes:
        coverage: the needs of the rules, and the subjects checked and skipped.
    """

    def __init__(
        self,
        prefetcher: Prefetcher,
        needs: Needs,
        *,
        until: float | None = None,
        delegation: Callable[[str], DelegationFacts] | None = None,
        update_at_baseline: str | None = None,
        without: Collection[UserId] = (),
        heirs: Callable[[RoomFacts], HeirFacts | None] | None = None,
    ) -> None:
        """Create the gatherer; no request is sent yet.

        Args:
            prefetcher: sends the requests, and has the answers to the first ones.
            needs: the needs of the rules.
            until: the time of the monotonic clock, in seconds, at which the run ends.
            delegation: checks whether the server's name leads to it.
            update_at_baseline: the background update that was running when the baseline was written.
            without: local accounts that the checks of rooms treat as deactivated.
            heirs: returns the heirs who take over a room soon, by a control file; None without such a file.
        """
        self.coverage = Coverage(needs, until=until)
        self._prefetcher = prefetcher
        self._synapse = prefetcher.synapse
        self._pool = prefetcher.pool
        self._delegation = delegation
        self._update_at_baseline = update_at_baseline
        self._without = without
        self._heirs = heirs

    @cached_property
    def caller(self) -> UserId:
        """The owner of an access token.

        Raises:
            ConnectError: the time is up before the server has answered.
        """
        try:
            return self.coverage.awaited(self._prefetcher.owner)
        except OutOfTimeError:
            raise ConnectError("the time limit was reached before the server had answered") from None

    @cached_property
    def server_name(self) -> str:
        """The server's name."""
        return server_name_of(self.caller)

    @property
    def _server_subject(self) -> Subject:
        return Subject("server", self.server_name)

    # Rooms

    def rooms(
        self,
        finds: Callable[[RoomFacts], bool] | None = None,
        alike: Callable[[RoomFacts, RoomFacts], bool] = lambda _, __: False,
    ) -> Iterator[RoomFacts]:
        """Check all rooms, one after the other; what could not be checked is in ``coverage``.

        Args:
            finds: returns whether a rule finds something in the facts about a room; called from every thread.
                Without it, every user with power is read.
            alike: returns whether the rules find the same in two facts about a room; called from every
                thread.

        Raises:
            NotPermittedError: the token is not a server admin's.
            SynadminError: no room could be checked.
        """
        self.coverage.checked["rooms"] = 0
        account_count: Future[int] = Future()
        accounts = self._pool.submit(self._accounts, account_count)
        accounts.add_done_callback(partial(_set_no_count, account_count))
        # The server has little to do while it makes its list of rooms.
        self._parts  # noqa: B018
        rooms = RoomGatherer(
            self._prefetcher,
            self.coverage,
            accounts=accounts,
            account_count=account_count,
            caller=self.caller,
            without=self._without,
            # Whether heirs take over depends on each user who controls the room.
            finds=finds if self._heirs is None else None,
            alike=alike,
        )
        for facts in rooms.facts():
            self.coverage.checked["rooms"] += 1
            heirs = None if self._heirs is None else self._heirs(facts)
            yield facts if heirs is None else replace(facts, heirs=heirs)

    # Accounts

    def users(self) -> Iterator[AccountFacts]:
        """Check all accounts.

        Raises:
            NotPermittedError: the token is not a server admin's.
            SynadminError: no account could be checked.
        """
        self.coverage.checked["users"] = 0
        unseen = self.coverage.needs.options.get(Need.ACCOUNT_DETAILS, {}).get("days", 0) * _DAY
        failed = 0
        try:
            delegated = how_far(self._synapse) is Reach.API
            for user in all_accounts(self._synapse):
                if self.coverage.is_over:
                    self.coverage.skip(
                        self._server_subject, "the time limit was reached before all accounts were checked"
                    )
                    return
                facts = replace(facts_of(user, now=self.coverage.now), delegated=delegated)
                if facts.unseen >= unseen:
                    try:
                        facts = with_details(self._synapse, facts)
                    except SynadminError as error:
                        failed += 1
                        if is_fatal(error) or failed >= FAILURES:
                            raise
                        self.coverage.skip(facts.subject, str(error))
                        continue
                failed = 0
                self.coverage.checked["users"] += 1
                yield facts
        except SynadminError as error:
            if is_fatal(error) or not self.coverage.checked["users"]:
                raise
            self.coverage.skip(self._server_subject, f"gave up before all accounts were checked: {error}")

    def _accounts(self, account_count: Future[int]) -> AccountIndex:
        accounts = read_accounts(self._synapse, account_count)
        self.coverage.checked["users"] = len(accounts)
        return accounts

    # The server

    def server(self) -> ServerFacts:
        """Check the server itself; what could not be checked is in ``coverage``.

        Raises:
            NotPermittedError: the token is not a server admin's.
        """
        facts = ServerFacts(
            server_name=self.server_name,
            caller=self.caller,
            update_at_baseline=self._update_at_baseline,
            now=self.coverage.now,
        )
        for need, part in self._parts.items():
            try:
                facts = replace(facts, **self.coverage.awaited(part))
            except OutOfTimeError:
                self.coverage.skip(
                    self._server_subject, f"the time limit was reached before the {need} were checked"
                )
            except GaveUpError:
                self.coverage.skip(
                    self._server_subject, f"the {need}: gave up after {FAILURES} failures in a row"
                )
            except (NotSupportedError, RefusedError) as error:
                # RefusedError: MAS manages the accounts, and its admin API cannot be used.
                self.coverage.skip(self._server_subject, f"the {need}: {error}", gone=True)
            except SynadminError as error:
                if is_fatal(error):
                    raise
                self.coverage.skip(self._server_subject, f"the {need}: {error}")
        if self._delegation is not None:
            facts = replace(facts, delegation=self._delegation(self.server_name))
        if Need.SERVER_ADMINS in self._parts:
            self.coverage.checked.setdefault("users", len(facts.admins))
        if self._delegation is not None or self._parts.keys() - {Need.SERVER_ADMINS}:
            self.coverage.checked["server"] = 1
        return facts

    @cached_property
    def _parts(self) -> dict[Need, Future[dict[str, Any]]]:
        """The futures of the server's facts that the rules need."""
        asker = ServerAsker(self._synapse, now=self.coverage.now)
        options = self.coverage.needs.options
        return {
            need: self._pool.submit(ask, asker, options[need]) for need, ask in ASK.items() if need in options
        }


def _set_no_count(account_count: Future[int], _: Future[AccountIndex]) -> None:
    """Set the count to 0 if no page has set it: the list was not read, or too many requests failed before."""
    if not account_count.done():
        account_count.set_result(0)
