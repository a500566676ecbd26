"""A local account that was not used for a year. Off by default.

The option `days` sets how long. An account that was never used counts from its creation. Deactivated
accounts do not count, nor do those of application services.

Why it matters

Unused accounts have old passwords, and a theft goes unnoticed. Many servers keep them on
purpose, so the rule is off unless the configuration has `enabled = true`, or you pass
`--rule dormant-account`.

What it shows

    @bob:example.org was last seen 2023-01-31.
    (details: user_id, seen, days)

How to fix it

Lock the account; you can unlock it again:

    synadmin user lock @bob:example.org

or deactivate it: `synadmin user deactivate`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from synadmin.audit.facts import DAY, AccountFacts, Need
from synadmin.audit.findings import Found, Severity
from synadmin.columns import time_of
from synadmin.text import command

ID = "dormant-account"
SEVERITY = Severity.INFO
SUBJECT = AccountFacts
NEEDS = frozenset({Need.ACCOUNT_DETAILS})
OPTIONS: dict[str, Any] = {"enabled": False, "days": 365}


def check(facts: AccountFacts, options: Mapping[str, Any]) -> Iterator[Found]:
    """Yield a finding for an account that is not in use."""
    if not facts.is_dormant(options["days"]):
        return
    yield Found(
        message=f"{facts.user_id} was {facts.last_seen}.",
        fix=None if facts.delegated else command("user", "lock", facts.user_id),
        details={"user_id": facts.user_id, "seen": time_of(facts.seen), "days": facts.unseen // DAY},
    )
