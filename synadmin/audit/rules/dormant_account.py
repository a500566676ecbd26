"""A local account that was not seen for a year. Off unless asked for.

How long is the option `days`. An account that was never used counts from when it was made. Deactivated
accounts do not count, nor do those of application services.

Why it matters

Accounts that nobody uses have old passwords, and their theft goes unnoticed. Many servers keep them on
purpose, which is why the rule is off unless the configuration has `enabled = true`, or `--rule
dormant-account` asks for it.

What it shows

    @bob:example.org was last seen 2023-01-31.
    (details: user_id, seen, days)

How to fix it

Lock it; its owner can have it back:

    synadmin user lock @bob:example.org

or end it for good: `synadmin user deactivate`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from synadmin.audit.facts import DAY, AccountFacts
from synadmin.audit.findings import Finding, Severity
from synadmin.audit.regain import command
from synadmin.render import time_of

ID = "dormant-account"
SEVERITY = Severity.INFO
SUBJECT = AccountFacts
OPTIONS: dict[str, Any] = {"enabled": False, "days": 365}


def check(facts: AccountFacts, options: Mapping[str, Any]) -> Iterator[Finding]:
    """Find an account that nobody uses."""
    if not facts.is_dormant(options["days"]):
        return
    yield Finding(
        rule=ID,
        severity=SEVERITY,
        subject=facts.subject,
        message=f"{facts.user_id} was {facts.last_seen}.",
        fix=command("user", "lock", facts.user_id),
        details={"user_id": facts.user_id, "seen": time_of(facts.seen), "days": facts.unseen // DAY},
    )
