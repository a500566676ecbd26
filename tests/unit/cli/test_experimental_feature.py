"""`synadmin experimental-feature`: invalid options are refused before any change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.stub import json_reply

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Synadmin
    from tests.unit.stub import Stub


@pytest.mark.parametrize("flags", [(), ("--on", "msc1", "--off", "msc1")])
def test_feature_needs_exactly_one_of_enable_and_disable(
    signed_in: Stub, synadmin: Synadmin, flags: tuple[str, ...]
) -> None:
    result = synadmin("experimental-feature", "set", "@alice:example.org", *flags)

    result.assert_one_line_error(code=2)
    assert signed_in.targets == []


def test_unknown_feature_is_refused_with_the_nearest(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on(
        "*", json_reply({"name": "@alice:example.org", "features": {"msc3575": False, "msc4222": True}})
    )

    result = synadmin("experimental-feature", "set", "@alice:example.org", "--on", "msc4223")

    result.assert_one_line_error(code=2)
    assert "it has msc4222, msc3575" in result.stderr
    assert {request.method for request in signed_in.requests} == {"GET"}
