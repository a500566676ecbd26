"""Rendering: the same records in four formats, and nothing in them that anything obeys."""

from __future__ import annotations

import csv
import io
import itertools
import json
import sys
import time as clock
import unicodedata
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synadmin.columns import FORMATS, Column, field, human_size, relative_time, time_column, time_of
from synadmin.errors import ReplyError
from synadmin.tables import as_json, as_text, cell, write
from synadmin.text import safe_text
from synadmin.text import width as text_width

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

HOSTILE = {
    "escape sequence": "\x1b[2J\x1b]0;owned\x07",
    "C1 introducer": "\x9b31m\x85\x9d",
    "line breaks": "one\ntwo\r\nthree\x0b\x0c\u2028\u2029four",
    "tab and null": "a\tb\x00c\x7f",
    "bidirectional": "\u202egnp.exe\u202c\u2066x\u2069\u200f\u061c",
    "zero width": "ad\u200bm\u200din\ufeff\u2060\u00ad",
    "invisible tags": "x\U000e0041\U000e007f",
    "lone surrogate": "\ud800",
}
ROOMS: list[dict[str, Any]] = [
    {"room_id": "!a:example.org", "name": "Club", "joined_members": 12, "public": True},
    {"room_id": "!b", "name": None, "joined_members": 3, "public": False},
]
COLUMNS = [
    Column("room_id"),
    Column("name"),
    Column("joined_members", title="members", right=True),
    Column("public"),
]


def _written(
    records: Sequence[Mapping[str, Any]],
    form: str,
    columns: Sequence[Column] = COLUMNS,
    **options: Any,  # noqa: ANN401
) -> str:
    out = io.StringIO()
    write(records, columns, form, out, **options)
    return out.getvalue()


def _dangerous(text: str) -> list[str]:
    """Return what a terminal would obey or hide, line breaks between the lines excepted."""
    return [
        character
        for character in text
        if character != "\n" and unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
    ]


def test_each_format_is_one_of_its_own() -> None:
    written = {form: _written(ROOMS, form) for form in FORMATS}
    as_tables = [form for form, text in written.items() if form != "table" and text == written["table"]]

    assert as_tables == [], "`write` in synadmin/tables.py does not know these and writes a table"


def test_a_table_is_for_people() -> None:
    assert _written(ROOMS, "table").splitlines() == [
        "room id         name  members  public",
        "--------------  ----  -------  ------",
        "!a:example.org  Club       12  yes",
        "!b              -           3  no",
    ]


def test_csv_has_the_columns_names_and_empty_cells_for_nothing() -> None:
    assert _written(ROOMS, "csv") == (
        "room_id,name,joined_members,public\n!a:example.org,Club,12,true\n!b,,3,false\n"
    )


def test_json_and_ndjson_have_every_field() -> None:
    assert json.loads(_written(ROOMS, "json", COLUMNS[:1])) == ROOMS
    assert [json.loads(line) for line in _written(ROOMS, "ndjson", COLUMNS[:1]).splitlines()] == ROOMS


def test_json_and_ndjson_have_the_chosen_columns_alone_where_that_is_asked_for() -> None:
    expected = [{"room_id": "!a:example.org"}, {"room_id": "!b"}]
    assert json.loads(_written(ROOMS, "json", COLUMNS[:1], all_fields=False)) == expected
    assert _written(ROOMS, "ndjson", COLUMNS[:1], all_fields=False) == (
        '{"room_id":"!a:example.org"}\n{"room_id":"!b"}\n'
    )


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_json_is_one_valid_array_of_any_length(count: int) -> None:
    records = [{"n": number, "nested": {"list": [1, {"x": None}]}} for number in range(count)]
    text = _written(records, "json", [Column("n")])
    assert json.loads(text) == records
    assert text.endswith("]\n")


@pytest.mark.parametrize("form", ["json", "ndjson", "csv"])
def test_records_are_written_while_they_come_in(form: str) -> None:
    out = io.StringIO()
    sizes: list[int] = []

    def coming() -> Iterator[dict[str, int]]:
        for number in range(3):
            sizes.append(len(out.getvalue()))
            yield {"n": number}

    write(coming(), [Column("n")], form, out)
    assert sizes[0] < sizes[1] < sizes[2]


def test_without_records_there_is_still_a_valid_file() -> None:
    assert _written([], "json") == "[]\n"
    assert _written([], "ndjson") == ""
    assert _written([], "csv") == "room_id,name,joined_members,public\n"
    assert _written([], "table") == ""
    assert _written([], "table", empty="No rooms.") == "No rooms.\n"


# Hostile text


@pytest.mark.parametrize("form", ["table", "json", "ndjson", "csv"])
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_reaches_no_terminal_raw(text: str, form: str) -> None:
    record = {"name": text, "deep": {text: [text]}, "list": [text, text]}
    columns = [Column("name"), Column("deep"), Column("list")]
    for width in (None, 60):
        assert _dangerous(_written([record], form, columns, width=width)) == []


@pytest.mark.parametrize("form", ["table", "csv", "ndjson"])
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_makes_no_lines_of_its_own(text: str, form: str) -> None:
    lines = _written([{"name": text}], form, [Column("name")]).splitlines()
    assert len(lines) == {"table": 3, "csv": 2, "ndjson": 1}[form]


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_json_means_what_the_server_sent(text: str) -> None:
    record = {"name": text, text: 1}
    assert json.loads(as_json(record)) == record
    assert json.loads(as_json(record, indent=2)) == record


@given(st.text(st.characters(codec=None)))
def test_no_text_at_all_is_obeyed_or_changed_in_meaning(text: str) -> None:
    assert json.loads(as_json(text)) == text
    shown = safe_text(text)
    assert "\n" not in shown
    assert not set("\x1b\x9b\r\x00\u202e") & set(shown)
    assert shown.splitlines() == ([shown] if shown else [])


def test_ordinary_text_of_any_language_is_left_alone() -> None:
    for text in ("Köln", "Клуб", "クラブ", "نادي", "🎉", "a\\b", "'\"`$"):
        assert safe_text(text) == text
        assert as_json(text) == json.dumps(text, ensure_ascii=False)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_no_cell_of_a_csv_file_is_a_formula(start: str) -> None:
    value = f'{start}HYPERLINK("https://evil.example","x")'
    text = _written([{"name": value}, {"name": [value]}], "csv", [Column("name")])
    (_, (alone,), (listed,)) = csv.reader(io.StringIO(text))
    assert alone.startswith("'")
    assert listed[0] not in "=+-@\t\r\uff1d\uff0b\uff0d\uff20"


def test_a_user_id_in_a_csv_file_stays_as_it_is_unless_a_spreadsheet_could_run_it() -> None:
    ids = ["@alice:example.org", "@a.b-c_d/e:example.org:8448", "@SUM(A1):example.org", "@x=1:example.org"]
    text = _written([{"name": one} for one in ids], "csv", [Column("name")])
    assert text.split() == ["name", *ids[:2], *(f"'{one}" for one in ids[2:])]


def test_a_negative_number_in_a_csv_file_stays_a_number() -> None:
    assert _written([{"n": -5}, {"n": -0.5}], "csv", [Column("n")]) == "n\n-5\n-0.5\n"


def test_nothing_in_a_csv_file_is_an_empty_cell() -> None:
    record: dict[str, Any] = {"a": None, "b": [], "c": ""}
    text = _written([record], "csv", [Column("a"), Column("b"), Column("c"), Column("missing")])
    assert text == "a,b,c,missing\n,,,\n"


def test_a_csv_file_quotes_what_must_be_quoted() -> None:
    text = _written([{"a": 'x,"y"'}], "csv", [Column("a")])
    assert list(csv.reader(io.StringIO(text))) == [["a"], ['x,"y"']]


# Cells and columns


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        (1.5, "1.5"),
        ("", ""),
        (["@a:x", "@b:x"], "@a:x, @b:x"),
        ([], "-"),
        ({"a": 1}, '{"a":1}'),
        ([1, "a"], '[1,"a"]'),
    ],
)
def test_a_cell_is_what_a_person_reads(value: object, shown: str) -> None:
    assert cell(value) == shown


def test_a_column_reaches_into_nested_objects() -> None:
    record = {"power_level": {"after": 100}, "dotted.name": 1, "name": "x"}
    assert field(record, "power_level.after") == 100
    assert field(record, "dotted.name") == 1
    assert field(record, "name.more") is None
    assert field(record, "power_level.missing.more") is None
    assert Column("n", value=len).of(record) == 3


@pytest.mark.parametrize(
    ("milliseconds", "time"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_700_000_000_999, "2023-11-14T22:13:20Z"),
        (-1, "1969-12-31T23:59:59Z"),
        (10**30, None),
        (float("nan"), None),
        (None, None),
        ("soon", None),
        (True, None),
    ],
)
def test_a_time_is_iso_8601_in_utc(milliseconds: object, time: str | None) -> None:
    assert time_of(milliseconds) == time


NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("time", "shown"),
    [
        ("2026-11-28T12:00:00Z", "just now"),
        ("2026-11-28T11:59:01.500Z", "just now"),
        ("2026-11-28T11:59:00Z", "1 minute ago"),
        ("2026-11-28T10:00:01Z", "1 hour ago"),
        ("2026-11-28T14:00:00+04:00", "2 hours ago"),
        ("2026-11-27T12:00:00Z", "1 day ago"),
        ("2026-11-21T12:00:01Z", "6 days ago"),
        ("2026-11-21T12:00:00Z", "2026-11-21"),
        ("2026-11-28T12:00:30Z", "in 1 minute"),
        ("2026-12-01T12:00:00Z", "in 3 days"),
        ("2027-02-01T12:00:00Z", "2027-02-01"),
        ("not a time", "not a time"),
        (None, None),
    ],
)
def test_a_person_reads_how_long_ago_it_was_or_the_date(time: str | None, shown: str | None) -> None:
    assert relative_time(time, NOW) == shown


def test_a_date_is_that_of_the_local_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    clock.tzset()
    try:
        assert relative_time("2026-10-01T20:00:00Z", NOW) == "2026-10-02"
    finally:
        monkeypatch.undo()
        clock.tzset()


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (123_456, "123 kB"),
        (1_240_000, "1.2 MB"),
        (5 * 10**12, "5000 GB"),
        (None, None),
    ],
)
def test_a_person_reads_a_size_in_units_of_1000(count: int | None, shown: str | None) -> None:
    assert human_size(count) == shown


def test_only_a_terminal_shows_dates_and_sizes_in_words() -> None:
    columns = [time_column("at"), Column("bytes", terminal=human_size)]
    records = [{"at": 1_580_472_000_000, "bytes": 123_456}]
    assert _written(records, "table", columns, width=80).splitlines()[2].split() == [
        "2020-01-31",
        "123",
        "kB",
    ]
    assert _written(records, "table", columns).splitlines()[2].split() == ["2020-01-31T12:00:00Z", "123456"]
    assert _written(records, "csv", columns, width=80).splitlines()[1] == "2020-01-31T12:00:00Z,123456"
    assert json.loads(_written(records, "json", columns, width=80)) == records


def test_a_terminal_says_what_no_time_means() -> None:
    column = time_column("expiry_time", "ends", none="never")
    assert _written([{"expiry_time": None}], "table", [column], width=80).splitlines()[2] == "never"
    assert _written([{"expiry_time": None}], "table", [column]).splitlines()[2] == "-"


def test_a_terminal_shows_no_column_that_is_empty_in_all_rows() -> None:
    columns = [Column("a"), Column("b"), Column("c")]
    records: list[dict[str, Any]] = [{"a": 1, "b": None, "c": ""}, {"a": 2, "b": [], "c": "x"}]
    assert _written(records, "table", columns, width=80).splitlines() == ["a  c", "-  -", "1  -", "2  x"]
    assert _written(records, "table", columns).splitlines()[0] == "a  b  c"
    # Columns that were asked for are all shown.
    assert _written(records, "table", columns, width=80, all_fields=False).splitlines()[0] == "a  b  c"
    assert _written([{}], "table", columns, width=80).splitlines() == ["a", "-", "-"]


def test_a_spare_column_is_left_out_where_the_table_does_not_fit_with_it() -> None:
    columns = [Column("id", whole=True), Column("who", spare=True), Column("name", breakable=True)]
    record = {"id": "x" * 30, "who": "y" * 30, "name": "A name of several words"}
    assert _written([record], "table", columns, width=90).splitlines()[0].split() == ["id", "who", "name"]
    assert _written([record], "table", columns, width=70).splitlines()[0].split() == ["id", "name"]
    # Where it does not fit without it either, all fields are shown.
    assert "who" in _written([record], "table", columns, width=35)
    assert "who" in _written([record], "table", columns, width=70, all_fields=False)


# Fitting the terminal

LONG: dict[str, Any] = {
    "room_id": "!" + "a" * 43,
    "name": "A name that goes on and on and on",
    "joined_members": 5,
}


@pytest.mark.parametrize("width", range(30, 120, 7))
def test_a_table_fits_the_terminal_as_far_as_its_ids_do(width: int) -> None:
    lines = _written([LONG, *ROOMS], "table", COLUMNS[:3], width=width).splitlines()
    assert max(map(len, lines)) <= max(width, len("room id  ") + len(LONG["room_id"]))


def test_a_long_text_is_wrapped_at_words_and_gives_way_to_the_other_columns() -> None:
    lines = _written([LONG], "table", COLUMNS[:3], width=72).splitlines()
    assert lines[0].split() == ["room", "id", "name", "members"]
    assert lines[2].startswith(LONG["room_id"])
    assert lines[2].endswith("5")
    shown = " ".join(line[44:64].strip() for line in lines[2:])
    assert shown == LONG["name"]


def test_what_fits_in_no_table_is_a_block_for_each_record() -> None:
    columns = [Column("room_id", whole=True), Column("name"), Column("joined_members")]
    text = _written([LONG, LONG], "table", columns, width=50)
    block = (
        f"room id         {LONG['room_id']}\n"
        "name            A name that goes on and on and on\n"
        "joined members  5\n"
    )
    assert text == f"{block}\n{block}"


@pytest.mark.parametrize("width", [60, 68, 80])
def test_no_name_changes_the_layout_for_the_other_rows(width: int) -> None:
    columns = [
        Column("room_id", title="room", whole=True),
        Column("name", breakable=True),
        Column("joined_members", title="members", right=True),
    ]
    rooms = [
        {"room_id": "!KCUvgXHBhMSrBXmcZJ:matrix.club.example", "name": name, "joined_members": 3}
        for name in ("Committee", "x" * 255, "\x1b[2J" * 30)
    ]
    lines = as_text(rooms, columns, width=width).splitlines()
    assert lines[0].split() == ["room", "name", "members"]
    assert sum(line.startswith("!KCUvg") for line in lines) == len(rooms)
    assert max(map(len, lines)) <= width


@pytest.mark.parametrize("width", [None, 40, 80])
def test_columns_are_aligned_for_wide_and_joined_characters(width: int | None) -> None:
    names = ["漕艇部長 山田", "👨\u200d👩\u200d👧 family", "Köln", "e\u0301te\u0301"]
    records = [{"name": name, "n": "|"} for name in names]
    lines = _written(records, "table", [Column("name"), Column("n")], width=width).splitlines()
    assert len({text_width(line) for line in lines[2:]}) == 1


def test_without_a_terminal_nothing_is_left_out_and_no_cell_is_endless() -> None:
    text = as_text([LONG], COLUMNS)
    assert LONG["room_id"] in text
    assert LONG["name"] in text
    endless = as_text([{"name": "x" * 5000, "n": 1}], [Column("name"), Column("n")])
    assert endless.count("x") == 5000
    assert max(map(len, endless.splitlines())) < 120


@given(
    rows=st.lists(st.tuples(st.text("ab ", max_size=60), st.text("xy", max_size=60)), min_size=1, max_size=4),
    width=st.integers(20, 150),
)
def test_a_table_that_does_not_fit_breaks_no_word(rows: list[tuple[str, str]], width: int) -> None:
    records = [{"first_of_them": first, "n": second} for first, second in rows]
    text = _written(records, "table", [Column("first_of_them"), Column("n")], width=width)
    words = set(text.split())
    for first, second in rows:
        assert {*first.split(), *second.split()} <= words


def test_long_texts_do_not_take_long() -> None:
    endless = itertools.repeat({"a": "x" * 65_000, "b": "y" * 65_000}, 3)
    lines = _written(list(endless), "table", [Column("a"), Column("b")], width=80).splitlines()
    assert max(map(len, lines)) <= 120


def test_what_a_terminal_would_obey_is_never_printable() -> None:
    """``safe_json`` leaves printable text as it is without looking further."""
    everything = map(chr, range(sys.maxunicode + 1))

    assert [
        character for character in everything if safe_text(character) != character and character.isprintable()
    ] == []


@pytest.mark.parametrize("indent", [None, 2])
def test_what_is_nested_too_deep_to_be_written_is_told(indent: int | None) -> None:
    nested: list[object] = []
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(ReplyError, match="nested too deep"):
        as_json(nested, indent=indent)
