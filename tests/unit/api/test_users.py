"""Accounts: the guest filter with the Matrix Authentication Service, omitted fields, reactivation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from synadmin.client import Synapse
from synadmin.errors import MatrixError
from synadmin.ids import UserId
from synadmin.journal import Journal
from tests.unit.stub import json_reply, refused

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.stub import Stub

USERS = "/_synapse/admin/v3/users"
ACCOUNT = "/_synapse/admin/v2/users/%40alice%3Aexample.org"
ALICE = UserId("@alice:example.org")
NO_GUESTS = refused(400, "M_INVALID_PARAM", "The guests parameter is not supported when delegating to MAS.")


def test_guests_are_left_out_where_the_server_refuses_the_filter(stub: Stub) -> None:
    stub.on(USERS, NO_GUESTS, json_reply({"users": [{"name": ALICE}], "total": 1}))

    with Synapse(stub.url, token="t") as synapse:
        found = [user.name for user in synapse.users.list(name="a")]

    assert found == [ALICE]
    assert stub.targets == [f"GET {USERS}?name=a&limit=500", f"GET {USERS}?name=a&limit=500&guests=false"]


def test_refusal_of_an_explicit_guest_filter_is_passed_on(stub: Stub) -> None:
    stub.on(USERS, NO_GUESTS)

    with Synapse(stub.url, token="t") as synapse, pytest.raises(MatrixError, match="guests"):
        list(synapse.users.list(guests=True))

    assert len(stub.targets) == 1


@pytest.mark.parametrize(
    ("changes", "body"),
    [
        ({}, {}),
        ({"user_type": None}, {"user_type": None}),
        ({"displayname": "", "locked": False}, {"displayname": "", "locked": False}),
        ({"threepids": []}, {"threepids": []}),
    ],
)
def test_omitted_fields_are_not_sent_and_null_is_sent(
    stub: Stub, changes: dict[str, Any], body: dict[str, Any]
) -> None:
    stub.on("*", json_reply({"name": ALICE}))

    with Synapse(stub.url, token="t") as synapse:
        synapse.users.modify(ALICE, **changes)

    assert stub.requests[-1].json == body


def test_random_password_for_old_synapses_is_not_kept(stub: Stub, tmp_path: Path) -> None:
    password_needed = refused(400, "M_UNKNOWN", "Must provide a password to re-activate an account.")
    stub.on(ACCOUNT, *[password_needed, json_reply({"name": ALICE})] * 2)
    trace = list[str]()

    journal = Journal(tmp_path / "journal.sqlite3")
    with Synapse(stub.url, token="t", journal=journal, trace=trace.append) as synapse:
        synapse.users.reactivate(ALICE)
        synapse.users.reactivate(ALICE)

    bodies = [request.json for request in stub.requests if request.method == "PUT"]
    assert bodies[::2] == [{"deactivated": False}] * 2
    first, second = (body["password"] for body in bodies[1::2])
    assert len(first) >= 32
    assert first != second
    written = b"".join(path.read_bytes() for path in tmp_path.glob("journal*")) + "".join(trace).encode()
    assert b"deactivated" in written
    assert first.encode() not in written
    assert second.encode() not in written


def test_reactivation_is_not_repeated_without_a_password_error(stub: Stub) -> None:
    stub.on(ACCOUNT, refused(400, "M_UNKNOWN", "no"))

    with Synapse(stub.url, token="t") as synapse, pytest.raises(MatrixError, match="no"):
        synapse.users.reactivate(ALICE)

    assert [request.json for request in stub.requests] == [{"deactivated": False}]
