"""What `synadmin experimental-feature` refuses before anything is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Synadmin
    from tests.unit.stub import Stub


@pytest.mark.parametrize("flags", [(), ("--on", "msc1", "--off", "msc1")])
def test_a_wish_that_is_none_or_two_at_once_is_refused(
    signed_in: Stub, synadmin: Synadmin, flags: tuple[str, ...]
) -> None:
    answer = synadmin("experimental-feature", "set", "@alice:example.org", *flags)

    answer.assert_is_one_clear_line(code=2)
    assert signed_in.targets == []
