"""Read a list page by page, with one page in memory."""

import time
from collections.abc import Callable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from itertools import compress, islice
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from synadmin.errors import ReplyError
from synadmin.http.answers import UNREADABLE, check_text, not_as_expected
from synadmin.http.decoders import decoder_of
from synadmin.http.endpoint import Paged, Record
from synadmin.http.hashed_ids import HashedIds
from synadmin.http.transport import Query, Transport

if TYPE_CHECKING:
    from synadmin.parallel import Pool

T = TypeVar("T")

_FIRST_PAGE = 500  # records: a small page, so that the first rows appear soon
_LARGEST_PAGE = 20_000
_GROWTH = 20
_PAGE_BYTES = 6_000_000  # the size that pages may grow to; the cost of a request hardly depends on its size
_SLOW = 5.0  # seconds: a page that took longer does not grow
_LINES = 200  # records that are converted to text together

_FIELDS: msgspec.json.Decoder[dict[str, msgspec.Raw]] = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ITEMS: msgspec.json.Decoder[list[msgspec.Raw]] = msgspec.json.Decoder(list[msgspec.Raw])


class _Links(msgspec.Struct):
    next: str | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A page of a list.

    Attributes:
        items: its records, each as the bytes that the server sent.
        total: how many records there are on all pages, where the server says so.
        next: the cursor to the next page; None after the last page. Some lists always have a cursor.
    """

    items: list[msgspec.Raw]
    total: int | None
    next: int | str | None
    decoder: msgspec.json.Decoder[T]
    endpoint: Paged[T]

    def lines(self) -> Iterator[str]:
        """Return the records as the server sent them, each on one line of JSON; many lines in each text."""
        for start in range(0, len(self.items), _LINES):
            items = self.items[start : start + _LINES]
            text = b"\n".join(items)
            if text.count(b"\n") < len(items) and b"\r" not in text:
                yield text.decode() + "\n"
            else:
                yield "".join(f"{self._line(bytes(raw))}\n" for raw in items)

    def _line(self, raw: bytes) -> str:
        try:
            return msgspec.json.format(raw, indent=-1).decode()
        except UNREADABLE as error:
            raise not_as_expected(self.endpoint, raw, str(error)) from None

    def records(self) -> Iterator[T]:
        """Decode the records, one at a time."""
        for raw in self.items:
            try:
                record = self.decoder.decode(raw)
            except UNREADABLE as error:
                raise not_as_expected(self.endpoint, bytes(raw), str(error)) from None
            if isinstance(record, Record):
                record.keep(raw)
            yield record


def _larger(limit: int, size: int) -> int:
    """Return how many records to ask for next, after ``limit`` records have taken ``size`` bytes."""
    return min(limit * _GROWTH, limit * _PAGE_BYTES // max(size, 1), _LARGEST_PAGE)


def _prefetched(pages: Iterator[Page[T]]) -> Iterator[Page[T]]:
    """Yield pages while a thread fetches the next one."""
    pool: Pool | None = None
    # A page can have megabytes: no variable may keep it in memory.
    held = list(islice(pages, 1))
    try:
        while held and held[0].next is not None:
            if pool is None:
                from synadmin import parallel  # most lists have fewer pages

                pool = parallel.Pool(1)
            coming = pool.submit(list, islice(pages, 1))
            yield held.pop()
            held = coming.result()
        while held:
            yield held.pop()
    finally:
        if pool is not None:
            pool.close()


class Pager(Generic[T]):
    """A list on the server. Iterating fetches the pages; from the third on, they are fetched ahead."""

    def __init__(
        self, transport: Transport, endpoint: Paged[T], parameters: Mapping[str, str], query: Query
    ) -> None:
        self._transport = transport
        self._endpoint = endpoint
        self._parameters = parameters
        self._query = query
        self._most: int | None = None
        self._wanted: Callable[[T], bool] | None = None

    def limited(self, number: int) -> "Pager[T]":
        """Return the list up to its first ``number`` records."""
        pager = copy(self)
        pager._most = number  # noqa: SLF001  a copy of this one
        return pager

    def first(self, number: int) -> list[T]:
        """Return the first ``number`` records."""
        return list(self.limited(number))

    @property
    def total(self) -> int | None:
        """The number of records, from the server; None where it does not say. Sends a request.

        Records that :meth:`where` leaves out are counted, too.
        """
        page = next(copy(self).limited(1).pages(), None)
        return None if page is None else page.total

    def where(self, wanted: Callable[[T], bool]) -> "Pager[T]":
        """Return the list with only the records for which ``wanted`` is true; any thread may call it."""
        pager = copy(self)
        pager._wanted = wanted  # noqa: SLF001  a copy of this one
        return pager

    def __iter__(self) -> Iterator[T]:
        """Yield the records of all pages. See :meth:`pages_ahead`."""
        for page in self.pages_ahead():
            yield from page.records()
            del page  # it can have megabytes

    def pages_ahead(self) -> Iterator[Page[T]]:
        """Yield the pages. From the third on, a page is fetched while the caller uses the one before.

        A caller that asks for the second page probably reads more. An error is raised in place of the page.
        """
        pages = self.pages()
        yield from islice(pages, 1)
        yield from _prefetched(pages)

    def pages(self) -> Iterator[Page[T]]:
        """Yield the pages. Each page is fetched when the caller asks for it.

        Raises:
            ReplyError: the cursor to the next page was followed before, so the list has no end.
        """
        endpoint = self._endpoint
        decoder = decoder_of(endpoint.reply)
        grows = endpoint.grows and self._query.get("limit") is None
        left = self._most
        limit = _FIRST_PAGE if left is None or self._wanted else min(left, _LARGEST_PAGE)
        cursor: Any = None
        followed: set[int | str] = set()
        seen = HashedIds()
        while True:
            query = dict(self._query)
            if cursor is not None:
                query[endpoint.cursor] = cursor
            if grows:
                query["limit"] = limit
            asked_at = time.monotonic()
            raw = self._transport.send_raw(endpoint, self._parameters, query=query)
            if time.monotonic() - asked_at < _SLOW:
                limit = max(limit, _larger(limit, len(raw)))
            items, following, total = self._opened(raw)
            del raw
            # If the list changes during the reading, records can appear again on later pages.
            fresh = items
            if not endpoint.log:
                fresh = list(compress(items, seen.add(self._keys(items))))
            if self._wanted is not None:
                fresh = [raw for raw in fresh if self._wanted(decoder.decode(raw))]
            if left is not None:
                fresh = fresh[:left]
                left -= len(fresh)
            is_last = following is None or not items or left == 0
            # A page can have megabytes: no variable may keep it while the next page is read.
            page = [Page(fresh, total, following, decoder, endpoint)]
            del items, fresh
            yield page.pop()
            if is_last:
                return
            if following in followed:
                raise ReplyError(
                    f"GET {endpoint.path}: the cursor does not move ({following!a}): the list has no end"
                )
            followed.add(following)
            cursor = following

    def _keys(self, items: list[msgspec.Raw]) -> Iterator[bytes]:
        """Return the key of each record: the declared field, else the whole record."""
        if not self._endpoint.key:
            yield from map(bytes, items)
            return
        decoder = msgspec.json.Decoder(
            msgspec.defstruct("Key", [(self._endpoint.key, msgspec.Raw, msgspec.Raw(b"null"))])
        )
        for item in items:
            try:
                key = bytes(getattr(decoder.decode(item), self._endpoint.key))
            except UNREADABLE as error:
                raise not_as_expected(self._endpoint, bytes(item), str(error)) from None
            yield bytes(item) if key == b"null" else key

    def _last_key(self, envelope: Mapping[str, msgspec.Raw], items: list[msgspec.Raw]) -> Any:  # noqa: ANN401
        """Return the key of the last record, where the server links to another page."""
        links = decoder_of(_Links).decode(envelope["links"])
        if not links.next or not items:
            return None
        return msgspec.json.decode(next(self._keys(items[-1:])))

    def _opened(self, raw: bytes) -> tuple[list[msgspec.Raw], Any, int | None]:
        endpoint = self._endpoint
        check_text(endpoint, raw)
        try:
            envelope = _FIELDS.decode(raw)
            items = _ITEMS.decode(envelope[endpoint.items])
            following: Any = None
            if endpoint.by_links:
                following = self._last_key(envelope, items)
            elif endpoint.next in envelope:
                following = msgspec.json.decode(envelope[endpoint.next])
            total = None
            if endpoint.total is not None and endpoint.total in envelope:
                total = msgspec.json.decode(envelope[endpoint.total], type=int | None)
        except KeyError as error:
            raise not_as_expected(endpoint, raw, f"no {error.args[0]}") from None
        except UNREADABLE as error:
            raise not_as_expected(endpoint, raw, str(error)) from None
        if following is not None and (isinstance(following, bool) or not isinstance(following, int | str)):
            raise not_as_expected(endpoint, raw, f"{endpoint.next} is no cursor")
        return items, following, total
