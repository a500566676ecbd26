"""Output of records in four formats, with control characters and formulas escaped."""

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

from synadmin.columns import (
    FORMATS,
    Column,
    field,
    human_size,
    local_time,
    relative_time,
    time_column,
    time_of,
)
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
    output_format: str,
    columns: Sequence[Column] = COLUMNS,
    **options: Any,  # noqa: ANN401
) -> str:
    out = io.StringIO()
    write(records, columns, output_format, out, **options)
    return out.getvalue()


def _dangerous(text: str) -> list[str]:
    """Return the characters that a terminal would interpret or hide, except line breaks."""
    return [
        character
        for character in text
        if character != "\n" and unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
    ]


def test_each_format_is_distinct() -> None:
    written = {output_format: _written(ROOMS, output_format) for output_format in FORMATS}
    written_as_tables = [
        output_format
        for output_format, text in written.items()
        if output_format != "table" and text == written["table"]
    ]

    assert written_as_tables == [], "`write` in synadmin/tables.py writes a table for these formats"


def test_table_is_readable() -> None:
    assert _written(ROOMS, "table").splitlines() == [
        "room id         name  members  public",
        "--------------  ----  -------  ------",
        "!a:example.org  Club       12  yes",
        "!b              -           3  no",
    ]


def test_csv_has_column_names_and_empty_cells() -> None:
    assert _written(ROOMS, "csv") == (
        "room_id,name,joined_members,public\n!a:example.org,Club,12,true\n!b,,3,false\n"
    )


def test_json_and_ndjson_have_every_field() -> None:
    assert json.loads(_written(ROOMS, "json", COLUMNS[:1])) == ROOMS
    assert [json.loads(line) for line in _written(ROOMS, "ndjson", COLUMNS[:1]).splitlines()] == ROOMS


def test_json_and_ndjson_have_only_the_chosen_columns() -> None:
    expected = [{"room_id": "!a:example.org"}, {"room_id": "!b"}]
    assert json.loads(_written(ROOMS, "json", COLUMNS[:1], all_fields=False)) == expected
    assert _written(ROOMS, "ndjson", COLUMNS[:1], all_fields=False) == (
        '{"room_id":"!a:example.org"}\n{"room_id":"!b"}\n'
    )


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_json_is_one_valid_array(count: int) -> None:
    records = [{"n": number, "nested": {"list": [1, {"x": None}]}} for number in range(count)]
    text = _written(records, "json", [Column("n")])
    assert json.loads(text) == records
    assert text.endswith("]\n")


@pytest.mark.parametrize("output_format", ["json", "ndjson", "csv"])
def test_records_are_streamed(output_format: str) -> None:
    out = io.StringIO()
    sizes: list[int] = []

    def records() -> Iterator[dict[str, int]]:
        for number in range(3):
            sizes.append(len(out.getvalue()))
            yield {"n": number}

    write(records(), [Column("n")], output_format, out)
    assert sizes[0] < sizes[1] < sizes[2]


def test_output_without_records_is_valid() -> None:
    assert _written([], "json") == "[]\n"
    assert _written([], "ndjson") == ""
    assert _written([], "csv") == "room_id,name,joined_members,public\n"
    assert _written([], "table") == ""
    assert _written([], "table", empty="No rooms.") == "No rooms.\n"


# Hostile text


@pytest.mark.parametrize("output_format", ["table", "json", "ndjson", "csv"])
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_is_escaped_on_the_terminal(text: str, output_format: str) -> None:
    record = {"name": text, "deep": {text: [text]}, "list": [text, text]}
    columns = [Column("name"), Column("deep"), Column("list")]
    for width in (None, 60):
        assert _dangerous(_written([record], output_format, columns, width=width)) == []


@pytest.mark.parametrize("output_format", ["table", "csv", "ndjson"])
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_makes_no_extra_lines(text: str, output_format: str) -> None:
    lines = _written([{"name": text}], output_format, [Column("name")]).splitlines()
    assert len(lines) == {"table": 3, "csv": 2, "ndjson": 1}[output_format]


@pytest.mark.parametrize("indent", [None, 1, 2])
def test_json_has_the_layout_of_the_json_module(indent: int | None) -> None:
    value = {
        "empty": [[], {}, ""],
        "deep": [{"a": [1, 2.5, 10**60, None]}],
        "endless": float("inf"),
        "ü": "\n",
    }
    separators = (",", ":") if indent is None else None
    for part in [value, {"finite": value["deep"], "ü": value["empty"]}]:
        expected = json.dumps(part, ensure_ascii=False, indent=indent, separators=separators)
        assert as_json(part, indent=indent) == expected


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_json_equals_what_the_server_sent(text: str) -> None:
    record = {"name": text, text: 1}
    assert json.loads(as_json(record)) == record
    assert json.loads(as_json(record, indent=2)) == record


@given(st.text(st.characters(codec=None)))
def test_any_text_is_harmless_and_keeps_its_meaning(text: str) -> None:
    assert json.loads(as_json(text)) == text
    shown = safe_text(text)
    assert "\n" not in shown
    assert not set("\x1b\x9b\r\x00\u202e") & set(shown)
    assert shown.splitlines() == ([shown] if shown else [])


def test_ordinary_text_is_unchanged() -> None:
    for text in ("Köln", "Клуб", "クラブ", "نادي", "🎉", "a\\b", "'\"`$"):
        assert safe_text(text) == text
        assert as_json(text) == json.dumps(text, ensure_ascii=False)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_csv_cell_is_never_a_formula(start: str) -> None:
    value = f'{start}HYPERLINK("https://evil.example","x")'
    text = _written([{"name": value}, {"name": [value]}], "csv", [Column("name")])
    (_, (alone,), (listed,)) = csv.reader(io.StringIO(text))
    assert alone.startswith("'")
    assert listed[0] not in "=+-@\t\r\uff1d\uff0b\uff0d\uff20"


def test_csv_user_id_is_unchanged_unless_a_formula() -> None:
    ids = ["@alice:example.org", "@a.b-c_d/e:example.org:8448", "@SUM(A1):example.org", "@x=1:example.org"]
    text = _written([{"name": user_id} for user_id in ids], "csv", [Column("name")])
    assert text.split() == ["name", *ids[:2], *(f"'{user_id}" for user_id in ids[2:])]


def test_csv_negative_number_stays_a_number() -> None:
    assert _written([{"n": -5}, {"n": -0.5}], "csv", [Column("n")]) == "n\n-5\n-0.5\n"


def test_csv_none_is_an_empty_cell() -> None:
    record: dict[str, Any] = {"a": None, "b": [], "c": ""}
    text = _written([record], "csv", [Column("a"), Column("b"), Column("c"), Column("missing")])
    assert text == "a,b,c,missing\n,,,\n"


def test_csv_is_quoted_where_needed() -> None:
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
def test_cell_is_readable(value: object, shown: str) -> None:
    assert cell(value) == shown


def test_column_may_be_a_nested_field() -> None:
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
def test_time_is_iso_8601_in_utc(milliseconds: object, time: str | None) -> None:
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
        ("2026-12-05T11:59:58Z", "in 7 days"),
        ("2026-11-28T12:59:58Z", "in 1 hour"),
        ("2027-02-01T12:00:00Z", "2027-02-01"),
        ("not a time", "not a time"),
        (None, None),
    ],
)
def test_time_is_relative_or_a_date(time: str | None, shown: str | None) -> None:
    assert relative_time(time, NOW) == shown


def test_date_is_in_the_local_time_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    clock.tzset()
    try:
        assert relative_time("2026-10-01T20:00:00Z", NOW) == "2026-10-02"
        assert local_time(1_790_884_800_000) == "2026-10-02 05:00 JST"
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
def test_size_is_in_units_of_1000(count: int | None, shown: str | None) -> None:
    assert human_size(count) == shown


def test_only_a_terminal_shows_times_and_sizes_in_words() -> None:
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


def test_terminal_explains_a_missing_time() -> None:
    column = time_column("expiry_time", "ends", none="never")
    assert _written([{"expiry_time": None}], "table", [column], width=80).splitlines()[2] == "never"
    assert _written([{"expiry_time": None}], "table", [column]).splitlines()[2] == "-"


def test_terminal_hides_empty_columns() -> None:
    columns = [Column("a"), Column("b"), Column("c")]
    records: list[dict[str, Any]] = [{"a": 1, "b": None, "c": ""}, {"a": 2, "b": [], "c": "x"}]
    assert _written(records, "table", columns, width=80).splitlines() == ["a  c", "-  -", "1  -", "2  x"]
    assert _written(records, "table", columns).splitlines()[0] == "a  b  c"
    # All requested columns are shown.
    assert _written(records, "table", columns, width=80, all_fields=False).splitlines()[0] == "a  b  c"
    assert _written([{}], "table", columns, width=80).splitlines() == ["a", "-", "-"]


def test_spare_column_is_left_out_where_the_table_does_not_fit() -> None:
    columns = [Column("id", whole=True), Column("who", spare=True), Column("name", breakable=True)]
    record = {"id": "x" * 30, "who": "y" * 30, "name": "A name of several words"}
    assert _written([record], "table", columns, width=90).splitlines()[0].split() == ["id", "who", "name"]
    assert _written([record], "table", columns, width=70).splitlines()[0].split() == ["id", "name"]
    # Where the table does not fit even without this column, all fields are shown.
    assert "who" in _written([record], "table", columns, width=35)
    assert "who" in _written([record], "table", columns, width=70, all_fields=False)


# Fitting the terminal

LONG: dict[str, Any] = {
    "room_id": "!" + "a" * 43,
    "name": "A name that goes on and on and on",
    "joined_members": 5,
}


@pytest.mark.parametrize("width", range(30, 120, 7))
def test_table_fits_the_terminal_if_ids_fit(width: int) -> None:
    lines = _written([LONG, *ROOMS], "table", COLUMNS[:3], width=width).splitlines()
    assert max(map(len, lines)) <= max(width, len("room id  ") + len(LONG["room_id"]))


def test_long_text_wraps_at_words() -> None:
    lines = _written([LONG], "table", COLUMNS[:3], width=72).splitlines()
    assert lines[0].split() == ["room", "id", "name", "members"]
    assert lines[2].startswith(LONG["room_id"])
    assert lines[2].endswith("5")
    shown = " ".join(line[44:64].strip() for line in lines[2:])
    assert shown == LONG["name"]


def test_records_become_blocks_where_no_table_fits() -> None:
    columns = [Column("room_id", whole=True), Column("name"), Column("joined_members")]
    text = _written([LONG, LONG], "table", columns, width=50)
    block = (
        f"room id         {LONG['room_id']}\n"
        "name            A name that goes on and on and on\n"
        "joined members  5\n"
    )
    assert text == f"{block}\n{block}"


@pytest.mark.parametrize("width", [60, 68, 80])
def test_long_name_does_not_change_the_layout(width: int) -> None:
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
def test_columns_align_for_wide_and_joined_characters(width: int | None) -> None:
    names = ["漕艇部長 山田", "👨\u200d👩\u200d👧 family", "Köln", "e\u0301te\u0301"]
    records = [{"name": name, "n": "|"} for name in names]
    lines = _written(records, "table", [Column("name"), Column("n")], width=width).splitlines()
    assert len({text_width(line) for line in lines[2:]}) == 1


def test_piped_table_is_complete_with_bounded_cells() -> None:
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
def test_table_breaks_no_word(rows: list[tuple[str, str]], width: int) -> None:
    records = [{"first_of_them": first, "n": second} for first, second in rows]
    text = _written(records, "table", [Column("first_of_them"), Column("n")], width=width)
    words = set(text.split())
    for first, second in rows:
        assert {*first.split(), *second.split()} <= words


def test_long_texts_are_wrapped_quickly() -> None:
    endless = itertools.repeat({"a": "x" * 65_000, "b": "y" * 65_000}, 3)
    lines = _written(list(endless), "table", [Column("a"), Column("b")], width=80).splitlines()
    assert max(map(len, lines)) <= 120


def test_control_characters_are_never_printable() -> None:
    """``safe_json`` returns printable text unchanged, without further checks."""
    everything = map(chr, range(sys.maxunicode + 1))

    assert [
        character for character in everything if safe_text(character) != character and character.isprintable()
    ] == []


@pytest.mark.parametrize("indent", [None, 2])
def test_too_deeply_nested_value_is_reported(indent: int | None) -> None:
    nested: list[object] = []
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(ReplyError, match="nested too deep"):
        as_json(nested, indent=indent)
