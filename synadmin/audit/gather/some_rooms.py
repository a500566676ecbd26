"""Read some rooms as an audit reads all: one request a room, and two for each user with power."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import TypeVar

from synadmin.api.rooms import Room
from synadmin.audit.facts import Need, RoomFacts
from synadmin.audit.gather.account_index import read_accounts
from synadmin.audit.gather.coverage import Coverage, Needs
from synadmin.audit.gather.power_holders import PowerHolders
from synadmin.audit.gather.prefetch import Prefetcher
from synadmin.audit.gather.room_facts import Asker
from synadmin.client import Synapse
from synadmin.ids import server_name_of
from synadmin.parallel import Pool

T = TypeVar("T")

_BEGUN = 4  # rooms that are begun, for each request that may be sent at the same time


def look_at(
    prefetcher: Prefetcher,
    rooms: Iterable[Room],
    ask: Callable[[Synapse, RoomFacts], T],
    *,
    all_creators: bool,
) -> Iterator[Future[T]]:
    """Yield for each room, in order, the future of the result of ``ask`` for the facts about it.

    Args:
        prefetcher: sends the requests.
        rooms: the rooms.
        ask: is called with the facts in a thread of the pool; may send more requests.
        all_creators: read the additional creators of every room of version 12, with one more request each.

    Raises:
        NotPermittedError: the token is not a server admin's.
        ConnectError: the server does not answer.
    """
    synapse, pool = prefetcher.synapse, prefetcher.pool
    caller = prefetcher.owner.result()
    coverage = Coverage(Needs({Need.CREATORS: {"look_at_creators": all_creators}}))
    accounts = pool.submit(read_accounts, synapse, Future())
    accounts.result()
    holders = PowerHolders(synapse, accounts, server_name=server_name_of(caller), now=coverage.now)
    holders.ask_everyone(pool)
    asker = Asker(prefetcher, coverage, holders, caller=caller)

    def job(room: Room) -> T:
        return ask(synapse, asker.facts(room))

    yield from _in_order(pool, rooms, job)


def _in_order(pool: Pool, rooms: Iterable[Room], job: Callable[[Room], T]) -> Iterator[Future[T]]:
    begun: deque[Future[T]] = deque()
    for room in rooms:
        begun.append(pool.submit(job, room))
        if len(begun) >= _BEGUN * pool.size:
            yield begun.popleft()
    while begun:
        yield begun.popleft()
