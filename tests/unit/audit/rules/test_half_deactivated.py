"""Accounts that MAS or Synapse alone has as deactivated."""

from __future__ import annotations

from synadmin.audit.facts import DisagreementFacts
from synadmin.audit.rules import half_deactivated as rule
from tests.unit.audit.rules.case import finding, server
from tests.unit.power.rooms import BOB

FOUND = server(disagreements=(DisagreementFacts(user_id=BOB, state="deactivated", in_mas=False),))
PASSED = {
    "both say the same": server(),
    "it is about another state": server(
        disagreements=(DisagreementFacts(user_id=BOB, state="locked", in_mas=False),)
    ),
}


def test_both_sides_are_named_and_the_command_sets_them_right() -> None:
    found = finding(rule, FOUND)
    assert found.message == f"{BOB} is deactivated in Synapse and not in MAS."
    assert found.fix == f"synadmin user deactivate {BOB}"
    there = server(disagreements=(DisagreementFacts(user_id=BOB, state="deactivated", in_mas=True),))
    assert finding(rule, there).message == f"{BOB} is deactivated in MAS and not in Synapse."
