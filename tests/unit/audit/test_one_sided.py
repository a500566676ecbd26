"""Accounts that are locked or deactivated in MAS alone, or in Synapse alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from synadmin.audit.facts import DisagreementFacts
from synadmin.audit.rules import half_deactivated, half_locked
from tests.unit.audit.rules.case import finding, server
from tests.unit.power.rooms import BOB

if TYPE_CHECKING:
    from synadmin.audit.rules import Rule


@pytest.mark.parametrize(
    ("rule", "state", "verb"),
    [(half_deactivated, "deactivated", "deactivate"), (half_locked, "locked", "lock")],
)
def test_one_sided_state_names_both_sides_and_the_fix(rule: Rule, state: str, verb: str) -> None:
    in_mas, in_synapse = (
        finding(rule, server(disagreements=(DisagreementFacts(user_id=BOB, state=state, in_mas=side),)))
        for side in (True, False)
    )

    assert in_synapse.message == f"{BOB} is {state} in Synapse and not in MAS."
    assert in_mas.message == f"{BOB} is {state} in MAS and not in Synapse."
    assert in_synapse.fix == in_mas.fix == f"synadmin user {verb} {BOB}"
    assert (in_synapse.details["in_mas"], in_mas.details["in_mas"]) == (False, True)
