"""`synadmin user rate-limit`: invalid limits are refused before any request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Synadmin
    from tests.unit.stub import Stub


@pytest.mark.parametrize(
    "flags",
    [
        (),
        ("--burst-count", "1"),
        ("--messages-per-second", "0.5", "--burst-count", "1"),
        ("--messages-per-second", "1", "--burst-count", "-1"),
        ("--messages-per-second", "1", "--burst-count", "99999999999"),
        ("--unlimited", "--burst-count", "1"),
    ],
)
def test_invalid_rate_limits_are_refused(signed_in: Stub, synadmin: Synadmin, flags: tuple[str, ...]) -> None:
    result = synadmin("user", "rate-limit", "set", "alice", *flags)

    result.assert_one_line_error(code=2)
    assert signed_in.targets == []
