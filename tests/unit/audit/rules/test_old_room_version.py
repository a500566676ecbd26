"""Rooms of old versions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from synadmin.audit.rules import old_room_version as rule
from tests.unit.audit.rules.case import chess, finding, findings
from tests.unit.power.rooms import ALICE, MALLORY

FOUND = chess({ALICE: "join"}, version="1")
PASSED = {
    "version 6 is not old": chess({ALICE: "join"}, version="6"),
    "synadmin does not know this newer version": chess({ALICE: "join"}, version="13"),
    "no local user is in the room": chess({MALLORY: "join"}, version="1"),
}


def test_version_5_is_the_newest_old_version() -> None:
    assert finding(rule, chess({ALICE: "join"}, version="5")).details == {"version": "5"}


@pytest.mark.parametrize("version", ["org.matrix.hydra.11", "org.matrix.msc3757.10", "", "²"])
def test_unstable_versions_are_found_by_default(version: str) -> None:
    room = chess({ALICE: "join"})
    room = replace(room, view=replace(room.view, version=version))
    assert finding(rule, room).message == f"The room has version {version}, which is unstable."
    assert not findings(rule, room, unstable=False)


def test_age_can_be_configured() -> None:
    assert not findings(rule, FOUND, oldest=1)
    assert findings(rule, chess({ALICE: "join"}, version="10"), oldest=11)
