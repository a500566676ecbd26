"""Accounts that are deactivated in MAS or in Synapse, but not in both."""

from __future__ import annotations

from synadmin.audit.facts import DisagreementFacts
from tests.unit.audit.rules.case import server
from tests.unit.power.rooms import BOB

FOUND = server(disagreements=(DisagreementFacts(user_id=BOB, state="deactivated", in_mas=False),))
PASSED = {
    "MAS and Synapse agree": server(),
    "they disagree about another state": server(
        disagreements=(DisagreementFacts(user_id=BOB, state="locked", in_mas=False),)
    ),
}
