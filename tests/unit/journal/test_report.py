"""The report of the journal: a row for each room and account of each run."""

from __future__ import annotations

from typing import Any

import pytest

from synadmin.journal import NOT_SENT
from synadmin.journal.report import ReportRow, rows

ROOM, ALICE = "!a:example.org", "@alice:example.org"
ADMIN_API = "/_synapse/admin"
CLIENT_API = "/_matrix/client/v3"


def entry(method: str, path: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "time": "2026-11-21T09:30:00.000Z",
        "run": "run-1",
        "command": "room make-admin",
        "server": "https://matrix.example.org",
        "user": "@admin:example.org",
        "method": method,
        "path": path,
        "status": 200,
        "errcode": None,
        **fields,
    }


def single_row(*entries: dict[str, Any]) -> ReportRow:
    (row,) = rows(entries)
    return row


ROOM_PATH, ALICE_PATH = "rooms/%21a%3Aexample.org", "users/%40alice%3Aexample.org"
ROOM_CHANGES = {
    f"POST {ADMIN_API}/v1/{ROOM_PATH}/make_room_admin": "give power (Make Room Admin)",
    f"PUT {CLIENT_API}/{ROOM_PATH}/state/m.room.power_levels/": "change power levels",
    f"POST {CLIENT_API}/{ROOM_PATH}/upgrade": "upgrade",
    f"POST {CLIENT_API}/join/%21a%3Aexample.org?via=x": "join",
    f"DELETE {ADMIN_API}/v2/{ROOM_PATH}": "delete",
}
ACCOUNT_CHANGES = {
    f"POST {ADMIN_API}/v1/deactivate/%40alice%3Aexample.org": "deactivate",
    f"POST {ADMIN_API}/v1/{ALICE_PATH}/login": "get a short-lived token",
    f"PUT {ADMIN_API}/v1/send_server_notice/@alice:example.org": "send a server notice",
}


@pytest.mark.parametrize(("request_", "action"), ROOM_CHANGES.items())
def test_room_change_is_described(request_: str, action: str) -> None:
    row = single_row(entry(*request_.split(" ")))
    assert (row.kind, row.target, row.actions) == ("room", ROOM, [action])


@pytest.mark.parametrize(("request_", "action"), ACCOUNT_CHANGES.items())
def test_account_change_is_described(request_: str, action: str) -> None:
    row = single_row(entry(*request_.split(" ")))
    assert (row.kind, row.target, row.actions) == ("user", ALICE, [action])


@pytest.mark.parametrize(
    ("body", "action"),
    [
        ({"locked": True}, "lock"),
        ({"deactivated": False}, "reactivate"),
        ({"displayname": "A"}, "change the account"),
    ],
)
def test_account_change_names_its_fields(body: dict[str, Any], action: str) -> None:
    assert single_row(entry("PUT", f"{ADMIN_API}/v2/{ALICE_PATH}", body=body)).actions == [action]


def test_new_registration_token_is_described() -> None:
    assert single_row(entry("POST", f"{ADMIN_API}/v1/registration_tokens/new")).actions == [
        "create a registration token"
    ]


def test_unknown_change_is_shown_as_sent() -> None:
    row = single_row(entry("POST", f"{ADMIN_API}/v1/new_thing"))
    assert (row.kind, row.target) == ("server", "https://matrix.example.org")
    assert row.actions == [f"POST {ADMIN_API}/v1/new_thing"]


def test_changes_of_a_run_to_one_room_are_one_row() -> None:
    invite = entry("POST", f"{CLIENT_API}/rooms/%21a%3Aexample.org/invite", on_behalf_of=ALICE, reason="why")
    row = single_row(entry("POST", f"{CLIENT_API}/join/%21a%3Aexample.org"), invite, invite)
    assert (row.requests, row.actions, row.acted_as, row.reason) == (3, ["join", "invite"], [ALICE], "why")
    others = rows([invite, {**invite, "run": "run-2"}, entry("POST", f"{ADMIN_API}/v1/deactivate/{ALICE}")])
    assert [(row.run, row.target) for row in others] == [("run-1", ROOM), ("run-2", ROOM), ("run-1", ALICE)]


@pytest.mark.parametrize(
    ("answers", "result"),
    [
        ([(200, None), (200, None)], "done"),
        ([(403, "M_FORBIDDEN")], "failed"),
        ([(200, None), (403, "M_FORBIDDEN")], "partly"),
        ([(None, NOT_SENT)], "failed"),
        ([(200, None), (None, None)], "unknown"),
    ],
)
def test_result_follows_from_the_answers(answers: list[tuple[int | None, str | None]], result: str) -> None:
    path = f"{CLIENT_API}/rooms/%21a%3Aexample.org/invite"
    changes = [entry("POST", path, status=status, errcode=errcode) for status, errcode in answers]
    assert single_row(*changes).result == result


def test_earlier_changes_are_left_out() -> None:
    path = f"{CLIENT_API}/rooms/%21a%3Aexample.org/invite"
    early = entry("POST", path, time="2026-11-20T09:30:00.000Z", run="early")
    assert [row.run for row in rows([early, entry("POST", path)], since="2026-11-21T00:00:00.000Z")] == [
        "run-1"
    ]
