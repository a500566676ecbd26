"""What `synadmin device` refuses before anything is sent, and how it ends the session it is using."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.unit.stub import ADMIN, WHOAMI, refused, told

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Synadmin
    from tests.unit.stub import Stub

DEVICES = "/_synapse/admin/v2/users/%40admin%3Aexample.org/devices"


@pytest.mark.parametrize(
    "arguments",
    [
        ("rename", "@alice:example.org", "PHONE", "x" * 101),
        ("create", "@alice:example.org", ""),
        ("delete", "@alice:example.org"),
        ("delete", "@alice:example.org", "", "--yes"),
        ("delete-all", "alice", "--unused-since", "long ago", "--yes"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_sent(
    signed_in: Stub, synadmin: Synadmin, arguments: tuple[str, ...]
) -> None:
    answer = synadmin("device", *arguments)

    answer.assert_is_one_clear_line(code=2)
    assert signed_in.targets == []


def test_the_session_that_is_used_ends_last_and_that_it_did_is_seen(
    signed_in: Stub, synadmin: Synadmin
) -> None:
    signed_in.on(WHOAMI, told({"user_id": ADMIN, "device_id": "MINE"}))
    device = told({"device_id": "x", "user_id": ADMIN})
    signed_in.on(f"{DEVICES}/OLD", device, told({}), refused(404, "M_NOT_FOUND"))
    signed_in.on(f"{DEVICES}/MINE", device, told({}), refused(401, "M_UNKNOWN_TOKEN"))

    answer = synadmin("device", "delete", "admin", "MINE", "OLD", "--yes", "-o", "ndjson")

    outcomes = [json.loads(line) for line in answer.stdout.splitlines()]
    assert answer.code == 0, answer
    assert [(one["device_id"], one["outcome"]) for one in outcomes] == [("OLD", "done"), ("MINE", "done")]


def test_a_device_that_is_still_there_is_a_failure(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on("*", told({"device_id": "PHONE", "user_id": "@alice:example.org"}))

    answer = synadmin("device", "delete", "alice", "PHONE", "--yes")

    answer.assert_is_one_clear_line(code=1)
    assert "still there" in answer.stderr
