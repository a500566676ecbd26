"""Findings about accounts whose state differs between MAS and Synapse."""

from collections.abc import Iterator

from synadmin.audit.facts import ServerFacts
from synadmin.audit.findings import Found
from synadmin.text import command


def one_sided(facts: ServerFacts, state: str, verb: str) -> Iterator[Found]:
    """Yield a finding for each account that has a state in MAS alone or in Synapse alone."""
    for account in facts.disagreements:
        if account.state != state:
            continue
        has, lacks = ("MAS", "Synapse") if account.in_mas else ("Synapse", "MAS")
        yield Found(
            subject=account.subject,
            message=f"{account.user_id} is {state} in {has} and not in {lacks}.",
            fix=command("user", verb, account.user_id),
            details={"user_id": account.user_id, "in_mas": account.in_mas},
        )
