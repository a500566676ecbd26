"""What `synadmin registration-token` refuses before anything is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.stub import told

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Synadmin
    from tests.unit.stub import Stub


@pytest.mark.parametrize(
    "arguments",
    [
        ("create", "a+b"),
        ("create", "\u0435"),
        ("create", "x" * 65),
        ("create", "--length", "65"),
        ("create", "x", "--length", "5"),
        ("create", "--uses", "-1"),
        ("create", "--expires", "2001-01-01"),
        ("create", "--expires", "2026-13-01"),
        ("update", "x"),
        ("update", "x", "--uses", "1", "--unlimited"),
        ("update", "x", "--expires", "1d", "--never-expires"),
        ("delete", "--yes"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_sent(
    signed_in: Stub, synadmin: Synadmin, arguments: tuple[str, ...]
) -> None:
    answer = synadmin("registration-token", *arguments)

    answer.assert_is_one_clear_line(code=2)
    assert signed_in.targets == []


def test_no_limit_is_sent_as_null_and_what_is_not_given_is_not_sent(
    signed_in: Stub, synadmin: Synadmin
) -> None:
    signed_in.on("*", told({"token": "x", "uses_allowed": None, "expiry_time": 1}))

    answer = synadmin("registration-token", "update", "x", "--unlimited")

    (sent,) = [request for request in signed_in.requests if request.method == "PUT"]
    assert answer.code == 0
    assert sent.json == {"uses_allowed": None}


def test_a_number_that_is_not_what_was_asked_for_is_a_failure(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on("*", told({"token": "x", "uses_allowed": 3}))

    synadmin("registration-token", "update", "x", "--uses", "5").assert_is_one_clear_line(code=1)
