"""Commands repeat what can be chosen, so that --help need not load the API: they repeat it rightly."""

from __future__ import annotations

import pytest

from synadmin.api import background_updates, federation, media, rooms, statistics, tasks
from synadmin.audit import report
from synadmin.cli import background_update as background_update_command
from synadmin.cli import federation as federation_command
from synadmin.cli import stats, task
from synadmin.cli.audit import report as audit_command
from synadmin.cli.media import read as media_command
from synadmin.cli.room import read as room_command


@pytest.mark.parametrize(
    ("command", "api"),
    [
        (background_update_command.JOBS, background_updates.JOBS),
        (federation_command.ORDERS, federation.ORDERS),
        (media_command.ORDERS, media.ORDERS),
        (room_command.ORDERS, rooms.ORDERS),
        (stats.ORDERS, statistics.ORDERS),
        (audit_command.FORMS, report.FORMS),
        (task.STATUSES, tasks.STATUSES),
    ],
)
def test_a_command_offers_what_the_api_takes(command: tuple[str, ...], api: tuple[str, ...]) -> None:
    assert command == api
