"""The notices to the controllers of a room, and the time when its heirs get control."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from synadmin.client import Synapse
from synadmin.control.file import Heirs, parse
from synadmin.control.heirs import HeirNotices, Stage, notify, succession, with_heirs
from synadmin.errors import MatrixError, SettingsError
from synadmin.ids import RoomId, UserId
from tests.unit.stub import json_reply, refused

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.stub import Stub

DAY = 86_400_000
NOW = 1_000 * DAY
DORA = UserId("@dora:example.org")
HEIRS = Heirs(users=(DORA,), after=180 * DAY, notify=30 * DAY)


@pytest.mark.parametrize(
    ("idle", "notified", "stage", "days_left"),
    [
        (10, None, Stage.ACTIVE, 170),
        (149, None, Stage.ACTIVE, 31),
        (150, None, Stage.ANNOUNCE, 30),
        (160, 5, Stage.WAIT, 25),
        (400, None, Stage.ANNOUNCE, 30),  # no notice was sent, however long the controllers are idle
        (400, 29, Stage.WAIT, 1),
        (400, 30, Stage.DUE, 0),
        (180, 30, Stage.DUE, 0),
        (5, 30, Stage.ACTIVE, 175),  # active again after the notice
        (155, 170, Stage.ANNOUNCE, 30),  # active again, and inactive again: a new notice
    ],
)
def test_controllers_are_notified_before_heirs_get_control(
    idle: int, notified: int | None, stage: Stage, days_left: int
) -> None:
    time = None if notified is None else NOW - notified * DAY
    found = succession(HEIRS, active=NOW - idle * DAY, notified=time, now=NOW)
    assert (found.stage, found.on) == (stage, NOW + days_left * DAY)


def test_heirs_get_control_at_once_without_a_controller() -> None:
    assert succession(HEIRS, active=None, notified=None, now=NOW).stage is Stage.DUE


def test_heirs_get_control_at_once_without_a_notice_period() -> None:
    heirs = Heirs(users=(DORA,), after=DAY, notify=0)
    assert succession(heirs, active=NOW - DAY, notified=None, now=NOW).stage is Stage.DUE
    assert succession(heirs, active=NOW - DAY + 1, notified=None, now=NOW).stage is Stage.ACTIVE


def test_heirs_become_admins_and_are_never_lowered() -> None:
    (entry,) = parse(
        "version = 1\n[[rooms]]\nmatch = { ours = true }\nnobody_else = true\n"
        'admins = ["@alice:example.org"]\n'
        '[rooms.heirs]\nusers = ["@dora:example.org"]\nafter = "180d"\n'
    )
    assert entry.goal.spared == (DORA,)
    assert with_heirs(entry).goal.admins == ("@alice:example.org", DORA)


def test_sent_notices_are_recorded(tmp_path: Path) -> None:
    path, room = tmp_path / "state" / "control.json", RoomId("!a:example.org")
    HeirNotices.read(path, now=NOW).record(room)
    assert HeirNotices.read(path, now=NOW + 1).notified(room) == NOW
    assert path.stat().st_mode & 0o777 == 0o600
    for text in ("{", "[]", '{"notified": {"a": "b"}}'):
        path.write_text(text, "utf-8")
        with pytest.raises(SettingsError):
            HeirNotices.read(path, now=NOW)


def test_controller_is_notified_once_where_the_next_notice_fails(stub: Stub, tmp_path: Path) -> None:
    alice, bob, room = UserId("@alice:example.org"), UserId("@bob:example.org"), RoomId("!a:example.org")
    path, synapse = tmp_path / "control.json", Synapse(stub.url, token="t")
    sent: list[str] = []

    def run_on_day(number: int, *, active: int = NOW - 400 * DAY) -> None:
        notices = HeirNotices.read(path, now=NOW + number * DAY)
        planned = succession(
            HEIRS, active=active, notified=notices.notified(room), now=notices.now, controllers=(alice, bob)
        )
        before = len(stub.requests)
        with suppress(MatrixError):
            notify(synapse, "Chess", room, HEIRS, planned, notices=notices)
        sent[:] = [request.json["user_id"] for request in stub.requests[before:]]

    stub.on("*", json_reply({"event_id": "$1"}), refused(404, "M_NOT_FOUND"), json_reply({"event_id": "$2"}))
    run_on_day(0)
    assert sent == [alice, bob]
    assert HeirNotices.read(path, now=NOW).notified(room) is None
    run_on_day(1)
    assert sent == [bob]
    assert HeirNotices.read(path, now=NOW).notified(room) == NOW + DAY
    run_on_day(500, active=NOW + 300 * DAY)  # a controller was active in between: both get a notice again
    assert sent == [alice, bob]
