"""``room set-power``: what is repeated for the sake of a quick --help is still the same."""

from __future__ import annotations

from synadmin.cli.room import levels
from synadmin.power import edit


def test_the_levels_with_names_are_those_that_can_be_edited() -> None:
    assert levels.NAMED == edit.NAMED
