"""A server name whose delegation is broken."""

from __future__ import annotations

from synadmin.audit.config import Config
from synadmin.audit.facts import DelegationFacts
from synadmin.audit.rules import delegation as rule
from tests.unit.audit.rules.case import finding, server

_WORDS = "no certificate for example.org."
FOUND = server(delegation=DelegationFacts(verdict="broken", message=_WORDS))
PASSED = {
    "the delegation works": server(delegation=DelegationFacts(verdict="ok", message="")),
    "the delegation works, with warnings": server(
        delegation=DelegationFacts(verdict="degraded", message=_WORDS)
    ),
    "the delegation was not checked": server(),
}


def test_command_that_exits_5_is_not_a_fix() -> None:
    assert finding(rule, FOUND).fix is None


def test_rule_is_off_by_default() -> None:
    assert rule not in Config().enabled()
    assert rule in Config(rules={"delegation": {"enabled": True}}).enabled()
