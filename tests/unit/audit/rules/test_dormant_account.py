"""Accounts that have not been used for a long time."""

from __future__ import annotations

from synadmin.audit.config import Config
from synadmin.audit.rules import RULES
from synadmin.audit.rules import dormant_account as rule
from synadmin.power.room import AccountState
from tests.unit.audit.rules.case import account, days_ago, finding, findings, noon_of
from tests.unit.power.rooms import BOB

FOUND = account(BOB, seen=noon_of(2023, 1, 31))
PASSED = {
    "seen this year": account(BOB, seen=days_ago(364)),
    "deactivated": account(BOB, seen=days_ago(500), state=AccountState.DEACTIVATED),
    "an application service's": account(BOB, seen=None, appservice=True),
    "never seen, but new": account(BOB, seen=None, created=days_ago(1)),
}


def test_fix_locks_the_account() -> None:
    assert finding(rule, FOUND).fix == "synadmin user lock @bob:example.org"


def test_account_that_was_never_used_is_found() -> None:
    assert finding(rule, account(BOB, seen=None)).message == "@bob:example.org was never seen."


def test_period_can_be_configured() -> None:
    assert not findings(rule, account(BOB, seen=days_ago(40)))
    assert findings(rule, account(BOB, seen=days_ago(40)), days=30)


def test_rule_is_off_by_default() -> None:
    assert rule in RULES
    assert rule not in Config().enabled()
    assert Config().enabled(only=[rule.ID]) == (rule,)
