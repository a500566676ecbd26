"""Server admins who are not on the list."""

from __future__ import annotations

import pytest

from synadmin.audit.findings import Severity
from synadmin.audit.rules import unexpected_server_admin as rule
from synadmin.power.room import AccountState
from tests.unit.audit.rules.case import account, finding, findings, server
from tests.unit.power.rooms import ADMIN, BOB

OPTIONS = {"server_admins": (ADMIN,)}
FOUND = server(admins=(account(ADMIN, admin=True), account(BOB, admin=True)))
PASSED = {
    "all are on the list": server(admins=(account(ADMIN, admin=True),)),
    "the admin who is not listed is deactivated": server(
        admins=(account(BOB, state=AccountState.DEACTIVATED),)
    ),
}


def test_fix_revokes_the_admin_right() -> None:
    found = finding(rule, FOUND, **OPTIONS)
    assert found.subject.id == BOB
    assert found.fix == "synadmin user admin revoke @bob:example.org"


def test_all_admins_are_information_without_a_list() -> None:
    found = findings(rule, FOUND)
    assert [one.subject.id for one in found] == [ADMIN, BOB]
    assert {one.severity for one in found} == {Severity.INFO}


def test_empty_list_expects_no_admin() -> None:
    assert len(findings(rule, FOUND, server_admins=())) == 2


@pytest.mark.parametrize("state", [AccountState.LOCKED, AccountState.SUSPENDED])
def test_locked_or_suspended_admin_is_an_admin(state: AccountState) -> None:
    assert findings(rule, server(admins=(account(BOB, state=state),)), **OPTIONS)
