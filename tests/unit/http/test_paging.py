"""Reading lists page by page: each record once and as sent, and an end in any case."""

from __future__ import annotations

import itertools
import json
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from synadmin.errors import NotPermittedError, ReplyError, ServerError
from synadmin.http.endpoint import Paged, Record
from synadmin.http.paging import Pager
from tests.unit.http.ways import way_to
from tests.unit.stub import EMPTY, HTML, Reply, json_reply, refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from synadmin.http.transport import Transport
    from tests.unit.stub import Stub

    Fetchers = Callable[[], set[threading.Thread]]


class Room(Record, frozen=True, kw_only=True):
    room_id: str
    name: str | None = None


LIST = Paged("GET", "/rooms", Room, items="rooms", next="next", total="total", key="room_id")
KEYLESS = Paged("GET", "/rooms", Room, items="rooms", next="next", total=None)


@pytest.fixture
def transport(stub: Stub) -> Iterator[Transport]:
    with way_to(stub.url) as transport:
        yield transport


def _page(*names: str, next_cursor: object = None, **more: object) -> Reply:
    body: dict[str, Any] = {"rooms": [{"room_id": name} for name in names], **more}
    return json_reply(body if next_cursor is None else body | {"next": next_cursor})


def _room_ids(transport: Transport, endpoint: Paged[Room] = LIST, **query: str) -> list[str]:
    return [room.room_id for room in Pager(transport, endpoint, {}, query)]


def test_list_is_read_to_its_end_with_the_cursor(stub: Stub, transport: Transport) -> None:
    stub.on(
        "/rooms",
        _page("!a", "!b", next_cursor=2, total=5),
        _page("!c", "!d", next_cursor="a b+c", total=5),
        _page("!e", total=5),
    )
    assert _room_ids(transport, search="club") == ["!a", "!b", "!c", "!d", "!e"]
    assert stub.targets == [
        "GET /rooms?search=club",
        "GET /rooms?search=club&from=2",
        "GET /rooms?search=club&from=a%20b%2Bc",
    ]


def test_page_is_requested_only_when_needed(stub: Stub, transport: Transport) -> None:
    stub.on("/rooms", _page("!a", "!b", next_cursor=2), _page("!c"))
    iterator = iter(Pager(transport, LIST, {}, {}))
    assert stub.targets == []
    assert [room.room_id for room in itertools.islice(iterator, 2)] == ["!a", "!b"]
    assert len(stub.targets) == 1
    assert next(iterator).room_id == "!c"
    assert len(stub.targets) == 2


def test_pages_have_the_total(stub: Stub, transport: Transport) -> None:
    stub.on("/rooms", _page("!a", next_cursor=1, total=2), _page("!b", total=None))
    assert [(page.total, len(page.items)) for page in Pager(transport, LIST, {}, {}).pages()] == [
        (2, 1),
        (None, 1),
    ]


@pytest.mark.parametrize("endpoint", [LIST, KEYLESS])
def test_repeated_record_is_given_once(endpoint: Paged[Room], stub: Stub, transport: Transport) -> None:
    # New rooms moved the records while the list was read: the end of a page is repeated on the next one.
    stub.on(
        "/rooms",
        _page("!a", "!b", "!c", next_cursor=3),
        _page("!b", "!c", "!d", next_cursor=6),
        _page("!a", "!d", "!e"),
    )
    assert _room_ids(transport, endpoint) == ["!a", "!b", "!c", "!d", "!e"]


def test_changed_record_is_the_same_record(stub: Stub, transport: Transport) -> None:
    stub.on(
        "/rooms",
        json_reply({"rooms": [{"room_id": "!a", "name": "before"}], "next": 1}),
        json_reply({"rooms": [{"name": "after", "room_id": "!a"}, {"room_id": "!b"}]}),
    )
    assert _room_ids(transport) == ["!a", "!b"]


def test_records_without_a_key_are_distinct(stub: Stub, transport: Transport) -> None:
    endpoint = Paged("GET", "/rooms", Room, items="rooms", next="next", key="name")
    stub.on(
        "/rooms", json_reply({"rooms": [{"room_id": "!a", "name": None}, {"room_id": "!b", "name": None}]})
    )
    assert _room_ids(transport, endpoint) == ["!a", "!b"]


def test_page_without_new_records_is_not_the_end(stub: Stub, transport: Transport) -> None:
    stub.on("/rooms", _page("!a", next_cursor=1), _page("!a", next_cursor=2), _page("!b"))
    assert _room_ids(transport) == ["!a", "!b"]


@pytest.mark.parametrize(
    "cursors",
    [[1, 1], ["x", "x"], [1, 2, 1], ["a", "b", "c", "b"]],
    ids=["same number", "same text", "cycle", "later cycle"],
)
def test_cursor_that_does_not_advance_is_an_error(
    cursors: list[object], stub: Stub, transport: Transport
) -> None:
    stub.on("/rooms", *(_page(f"!{number}", next_cursor=cursor) for number, cursor in enumerate(cursors)))
    with pytest.raises(ReplyError, match=r"GET /rooms: the cursor does not move"):
        _room_ids(transport)
    assert len(stub.targets) == len(cursors)


def test_empty_page_is_the_end(stub: Stub, transport: Transport) -> None:
    stub.on("/rooms", _page("!a", next_cursor="t1"), _page(next_cursor="t1"))
    assert _room_ids(transport) == ["!a"]
    stub.on("/rooms", _page(next_cursor=0, total=7))
    assert _room_ids(transport) == []


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (HTML, "the answer is a web page, not JSON"),
        (EMPTY, "the answer is empty"),
        (json_reply([]), "another shape"),
        (json_reply({}), r"another shape \(no rooms\)"),
        (json_reply({"rooms": None}), "another shape"),
        (json_reply({"rooms": {"!a": {}}}), "another shape"),
        (json_reply({"rooms": ["!a"]}), "another shape"),
        (json_reply({"rooms": [{"name": "no id"}]}), "another shape"),
        (json_reply({"rooms": [{"room_id": "!a", "name": 5}]}), "another shape"),
        (json_reply({"rooms": [{"room_id": "!a"}], "next": {"a": 1}}), "next is no cursor"),
        (json_reply({"rooms": [{"room_id": "!a"}], "next": True}), "next is no cursor"),
        (json_reply({"rooms": [{"room_id": "!a"}], "next": 1.5}), "next is no cursor"),
        (json_reply({"rooms": [{"room_id": "!a"}], "total": "many"}), "another shape"),
        (Reply(200, b'{"rooms": [{"room_id": "\xff"}]}'), "another shape"),
        (
            Reply(200, b'{"rooms": [{"room_id": "!a", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}]}"),
            "another shape",
        ),
    ],
)
def test_malformed_page_is_one_clear_line(reply: Reply, words: str, stub: Stub, transport: Transport) -> None:
    stub.on("/rooms", reply)
    with pytest.raises(ReplyError, match=words) as caught:
        _room_ids(transport)
    assert "\n" not in str(caught.value)
    assert "/rooms" in str(caught.value)


def test_failed_page_is_an_error_after_earlier_records(stub: Stub, transport: Transport) -> None:
    stub.on("/rooms", _page("!a", next_cursor=1), refused(500, "M_UNKNOWN", "Internal server error"))
    iterator = iter(Pager(transport, LIST, {}, {}))
    assert next(iterator).room_id == "!a"
    with pytest.raises(ServerError):
        next(iterator)


SENT = (
    '{"rooms": [ {"room_id": "!a", "name": null,\n "new_in_2030": {"deep": [1, 2.50, "ü\\u202e"]},'
    ' "big": 123456789012345678901234567890} ]}'
)


def test_record_has_every_field_as_sent(stub: Stub, transport: Transport) -> None:
    stub.on("/rooms", Reply(200, SENT.encode()))
    (room,) = Pager(transport, LIST, {}, {})
    assert room.as_sent() == json.loads(SENT)["rooms"][0]


def test_line_is_the_record_as_sent(stub: Stub, transport: Transport) -> None:
    stub.on("/rooms", Reply(200, SENT.encode()))
    (page,) = Pager(transport, LIST, {}, {}).pages()
    (line,) = page.lines()
    assert line.index("\n") == len(line) - 1
    assert json.loads(line) == json.loads(SENT)["rooms"][0]
    assert "2.50" in line  # with all digits


def test_line_that_is_not_text_is_malformed(stub: Stub, transport: Transport) -> None:
    stub.on("/rooms", Reply(200, b'{"rooms": [{"room_id": "!a", "name": "\xff"}]}'))
    with pytest.raises(ReplyError, match="another shape"):
        [line for page in Pager(transport, LIST, {}, {}).pages() for line in page.lines()]


@pytest.fixture
def fetchers() -> Fetchers:
    """Return a function that lists the fetching threads of this test, without those of earlier tests."""
    earlier = set(threading.enumerate())
    return lambda: {
        thread for thread in threading.enumerate() if thread.name == "synadmin" and thread not in earlier
    }


def _join_threads(threads: set[threading.Thread]) -> None:
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


def _pages_ahead(stub: Stub, transport: Transport, *replies: Reply) -> Iterator[list[str]]:
    stub.on("/rooms", *replies)
    pages = Pager(transport, LIST, {}, {}).pages_ahead()
    return ([record.room_id for record in page.records()] for page in pages)


FOUR_PAGES = [_page(f"!{number}", next_cursor=number) for number in (1, 2, 3)] + [_page("!4")]


def test_third_page_is_fetched_while_the_second_is_used(
    stub: Stub, transport: Transport, fetchers: Fetchers
) -> None:
    iterator = _pages_ahead(stub, transport, *FOUR_PAGES)
    assert next(iterator) == ["!1"]
    assert len(stub.targets) == 1
    assert next(iterator) == ["!2"]
    for _ in range(6000):  # the fetching thread may start late
        if len(stub.targets) == 3:
            break
        time.sleep(0.01)
    assert len(stub.targets) == 3
    assert list(iterator) == [["!3"], ["!4"]]
    assert len(stub.targets) == 4
    _join_threads(fetchers())


def test_reader_that_stops_sends_no_request_after_the_one_under_way(
    stub: Stub, transport: Transport, fetchers: Fetchers
) -> None:
    iterator = iter(Pager(transport, LIST, {}, {}))
    stub.on("/rooms", *FOUR_PAGES)
    assert [room.room_id for room in itertools.islice(iterator, 2)] == ["!1", "!2"]
    del iterator
    _join_threads(fetchers())
    assert len(stub.targets) <= 3


def test_no_page_is_fetched_beyond_the_limit(stub: Stub, transport: Transport, fetchers: Fetchers) -> None:
    stub.on("/rooms", *(_page(f"!{number}a", f"!{number}b", next_cursor=number) for number in range(1, 9)))
    assert [room.room_id for room in Pager(transport, LIST, {}, {}).first(5)] == [
        *("!1a", "!1b", "!2a", "!2b", "!3a")
    ]
    _join_threads(fetchers())
    assert len(stub.targets) == 3


def test_list_of_two_pages_starts_no_thread(stub: Stub, transport: Transport, fetchers: Fetchers) -> None:
    iterator = _pages_ahead(stub, transport, _page("!a", next_cursor=1), _page("!b"))
    assert next(iterator) == ["!a"]
    assert next(iterator) == ["!b"]
    assert fetchers() == set()


def test_error_of_a_page_is_raised_after_the_pages_before_it(
    stub: Stub, transport: Transport, fetchers: Fetchers
) -> None:
    refusal = refused(403, "M_FORBIDDEN", "You are not a server admin")
    iterator = _pages_ahead(stub, transport, *FOUR_PAGES[:2], refusal)
    assert [next(iterator), next(iterator)] == [["!1"], ["!2"]]
    with pytest.raises(NotPermittedError, match="You are not a server admin"):
        next(iterator)
    _join_threads(fetchers())
    assert len(stub.targets) == 3


GROWING = Paged("GET", "/rooms", Room, items="rooms", next="next", total=None, key="room_id", grows=True)


def _limits(stub: Stub) -> list[str]:
    return [target.partition("limit=")[2].partition("&")[0] for target in stub.targets]


def test_pages_grow_without_a_limit(stub: Stub, transport: Transport) -> None:
    stub.on("/rooms", *(_page(f"!{number}", next_cursor=number) for number in (1, 2, 3)), _page("!4"))
    assert _room_ids(transport, GROWING) == ["!1", "!2", "!3", "!4"]
    assert _limits(stub) == ["500", "10000", "20000", "20000"]


def test_page_grows_to_at_most_six_million_bytes(stub: Stub, transport: Transport) -> None:
    large = {"rooms": [{"room_id": "!a", "name": "x" * 2_000_000}], "next": 1}
    stub.on("/rooms", json_reply(large), _page("!b"))
    assert _room_ids(transport, GROWING) == ["!a", "!b"]
    assert _limits(stub) == ["500", "1499"]


def test_page_keeps_a_given_size(stub: Stub, transport: Transport) -> None:
    stub.on("/rooms", _page("!a", next_cursor=1), _page("!b"))
    assert _room_ids(transport, GROWING, limit="7") == ["!a", "!b"]
    assert _limits(stub) == ["7", "7"]
