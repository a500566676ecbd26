"""`synadmin device`: options refused before any request, and the deletion of the session in use."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.unit.stub import ADMIN, WHOAMI, json_reply, refused

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
def test_invalid_options_are_refused_before_any_request(
    signed_in: Stub, synadmin: Synadmin, arguments: tuple[str, ...]
) -> None:
    result = synadmin("device", *arguments)

    result.assert_one_line_error(code=2)
    assert signed_in.targets == []


def test_session_in_use_is_deleted_last_and_verified(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on(WHOAMI, json_reply({"user_id": ADMIN, "device_id": "MINE"}))
    device = json_reply({"device_id": "x", "user_id": ADMIN})
    signed_in.on(f"{DEVICES}/OLD", device, json_reply({}), refused(404, "M_NOT_FOUND"))
    signed_in.on(f"{DEVICES}/MINE", device, json_reply({}), refused(401, "M_UNKNOWN_TOKEN"))

    result = synadmin("device", "delete", "admin", "MINE", "OLD", "--yes", "-o", "ndjson")

    outcomes = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.code == 0, result
    assert [(outcome["device_id"], outcome["outcome"]) for outcome in outcomes] == [
        ("OLD", "done"),
        ("MINE", "done"),
    ]


def test_device_that_still_exists_is_failed(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on("*", json_reply({"device_id": "PHONE", "user_id": "@alice:example.org"}))

    result = synadmin("device", "delete", "alice", "PHONE", "--yes")

    result.assert_one_line_error(code=1)
    assert "still there" in result.stderr
