"""Lists of things: where they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from synadmin.cli.bulk import items
from synadmin.errors import UsageError
from tests.unit.stub import told

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.conftest import Synadmin
    from tests.unit.stub import Stub


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("@a:x\n@b:x\n\n@a:x\n", ["@a:x", "@b:x"]),
        ("name\n'@a:x\n'@b:x\n", ["@a:x", "@b:x"]),
        ("token\n'-abc\n'=x\nplain\n", ["-abc", "=x", "plain"]),
        ("room_id\n!a:x\n", ["!a:x"]),
        ("'@a:x\n", ["'@a:x"]),
        ('name,user_id\n"A, B",\'@a:x\n\n"=C",@b:x\nshort\n', ["@a:x", "@b:x"]),
        ("room_id,user_id,name\n!r:x,'@a:x,A\n", ["@a:x"]),
        ("@a:x,name\n", ["@a:x,name"]),
    ],
    ids=[
        "one a line",
        "users as CSV",
        "tokens as CSV",
        "rooms as CSV",
        "no CSV",
        "whole CSV",
        "the column that is meant",
        "no heading",
    ],
)
def test_a_column_of_csv_is_read_as_it_was_meant(text: str, found: list[str], tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text(text)

    assert items((), str(path), what="user") == found


@pytest.mark.parametrize(
    "text", ["user    admin\n------  -----\n@a:x    yes\n", "[\n  {\n", '{"name":"@a:x"}\n', "[]\n"]
)
def test_a_list_for_people_or_programs_is_answered_once_with_what_is_expected(
    text: str, tmp_path: Path
) -> None:
    path = tmp_path / "list"
    path.write_text(text)

    with pytest.raises(UsageError, match=r"one user a line is expected, or what `-o csv` writes"):
        items((), str(path), what="user")


def test_an_ipv6_address_is_no_json(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text("[::1]:8448\n")

    assert items((), str(path), what="server") == ["[::1]:8448"]


def test_what_one_command_writes_as_csv_the_next_one_reads(signed_in: Stub, synadmin: Synadmin) -> None:
    users = [{"name": "@a:example.org"}, {"name": "@b:example.org"}]
    signed_in.on("/_synapse/admin/v2/users", told({"users": users, "total": 2}))
    signed_in.on("/_synapse/admin/v3/users", told({"users": users, "total": 2}))
    written = synadmin("user", "list", "--columns", "name", "-o", "csv").stdout
    signed_in.on("*", told({"name": "@x:example.org", "suspended": True}))

    answer = synadmin("user", "suspend", "--from", "-", "-o", "csv", stdin=written.encode())

    assert [line.split(",")[:2] for line in answer.stdout.splitlines()] == [
        ["user_id", "outcome"],
        ["'@a:example.org", "done"],
        ["'@b:example.org", "done"],
    ]
