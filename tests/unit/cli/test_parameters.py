"""Values of options: times, power levels, sizes and durations."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click
import pytest

from synadmin.cli.parameters import ANY_TIME, DURATION, FUTURE_TIME, LEVEL, PAST_TIME, SIZE

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Synadmin
    from tests.unit.stub import Stub


@pytest.mark.parametrize("text", ["2999-01-01", "2999-01-01T12:00", str(32_472_144_000_000)])
def test_future_time_is_refused_where_a_past_one_is_needed(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is in the future"):
        PAST_TIME.convert(text, None, None)
    assert ANY_TIME.convert(text, None, None) > time.time() * 1000


@pytest.mark.parametrize("text", ["2020-01-01", "2020-01-01T12:00", "0d"])
def test_past_time_is_refused_where_a_future_one_is_needed(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is in the past"):
        FUTURE_TIME.convert(text, None, None)


def test_today_is_not_the_future_in_any_time_zone() -> None:
    tomorrow = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 86_400))
    assert PAST_TIME.convert(tomorrow, None, None) <= (time.time() + 86_400) * 1000


@pytest.mark.parametrize(
    "command",
    [
        ("room", "purge-history", "!a:example.org"),
        ("media", "delete"),
        ("media", "purge-remote"),
    ],
)
def test_future_date_deletes_nothing(command: tuple[str, ...], signed_in: Stub, synadmin: Synadmin) -> None:
    synadmin(*command, "--before", "2999-01-01", "--yes").assert_one_line_error(code=2)
    assert signed_in.targets == []


def test_future_date_matches_no_device(signed_in: Stub, synadmin: Synadmin) -> None:
    result = synadmin("device", "delete-all", "alice", "--unused-since", "2999-01-01", "--yes")

    result.assert_one_line_error(code=2)
    assert signed_in.targets == []


@pytest.mark.parametrize("text", ["9007199254740992", "-9007199254740992", "9" * 5000, "1e3", "admin", ""])
def test_level_out_of_range_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a power level"):
        LEVEL.convert(text, None, None)


def test_largest_and_smallest_levels_are_valid() -> None:
    assert LEVEL.convert("9007199254740991", None, None) == 2**53 - 1
    assert LEVEL.convert("-9007199254740991", None, None) == 1 - 2**53


@pytest.mark.parametrize("text", ["9" * 400, "9" * 5000, "9" * 400 + "d", "9" * 400 + "GB"])
@pytest.mark.parametrize("kind", [SIZE, DURATION, PAST_TIME, FUTURE_TIME])
def test_number_of_any_length_is_refused_clearly(kind: click.ParamType[int], text: str) -> None:
    with pytest.raises(click.BadParameter):
        kind.convert(text, None, None)
