"""Accounts that MAS or Synapse alone has as locked."""

from __future__ import annotations

from synadmin.audit.facts import DisagreementFacts
from tests.unit.audit.rules.case import server
from tests.unit.power.rooms import BOB

FOUND = server(disagreements=(DisagreementFacts(user_id=BOB, state="locked", in_mas=False),))
PASSED = {
    "both say the same": server(),
    "it is about another state": server(
        disagreements=(DisagreementFacts(user_id=BOB, state="deactivated", in_mas=False),)
    ),
}
