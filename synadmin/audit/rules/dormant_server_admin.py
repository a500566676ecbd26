"""A server admin who was not seen for 90 days.

The option `days` sets how long. An account that was never used counts from its creation. Deactivated
accounts do not count, nor do those of application services.

Why it matters

The theft of an unused account goes unnoticed, and this one can do everything.

What it shows

    @bob:example.org is a server admin, last seen 2024-01-31.
    (details: user_id, seen, days)

How to fix it

    synadmin user admin revoke @bob:example.org

You can grant the right again when it is needed.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from synadmin.audit.facts import DAY, Need, ServerFacts
from synadmin.audit.findings import Found, Severity
from synadmin.audit.regain import command_to_revoke_admin
from synadmin.columns import time_of

ID = "dormant-server-admin"
SEVERITY = Severity.WARNING
SUBJECT = ServerFacts
NEEDS = frozenset({Need.SERVER_ADMINS})
OPTIONS: dict[str, Any] = {"days": 90}


def check(facts: ServerFacts, options: Mapping[str, Any]) -> Iterator[Found]:
    """Yield a finding for each server admin who is away."""
    for account in facts.admins:
        if not account.is_dormant(options["days"]):
            continue
        yield Found(
            subject=account.subject,
            message=f"{account.user_id} is a server admin, {account.last_seen}.",
            fix=command_to_revoke_admin(facts, account.user_id),
            details={
                "user_id": account.user_id,
                "seen": time_of(account.seen),
                "days": account.unseen // DAY,
            },
        )
