"""A server admin who was not seen for 90 days.

How long is the option `days`. An account that was never used counts from when it was made. Deactivated
accounts do not count, nor do those of application services.

Why it matters

An account that nobody uses is one whose theft nobody notices, and this one can do everything.

What it shows

    @bob:example.org is a server admin, last seen 2024-01-31.
    (details: user_id, seen, days)

How to fix it

    synadmin user admin revoke @bob:example.org

It can be granted again when it is needed.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from synadmin.audit.facts import DAY, ServerFacts
from synadmin.audit.findings import Finding, Severity
from synadmin.audit.regain import command
from synadmin.render import time_of

ID = "dormant-server-admin"
SEVERITY = Severity.WARNING
SUBJECT = ServerFacts
OPTIONS: dict[str, Any] = {"days": 90}


def check(facts: ServerFacts, options: Mapping[str, Any]) -> Iterator[Finding]:
    """Find server admins who are away."""
    for account in facts.admins:
        if not account.is_dormant(options["days"]):
            continue
        yield Finding(
            rule=ID,
            severity=SEVERITY,
            subject=account.subject,
            message=f"{account.user_id} is a server admin, {account.last_seen}.",
            fix=command("user", "admin", "revoke", account.user_id),
            details={
                "user_id": account.user_id,
                "seen": time_of(account.seen),
                "days": account.unseen // DAY,
            },
        )
