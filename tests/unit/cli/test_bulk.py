"""Lists of things: where they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from synadmin.cli.bulk import items
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
    ],
    ids=["one a line", "users as CSV", "tokens as CSV", "rooms as CSV", "no CSV"],
)
def test_a_column_of_csv_is_read_as_it_was_meant(text: str, found: list[str], tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text(text)

    assert items((), str(path), what="user") == found


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
