"""An account that is locked in MAS and not in Synapse, or the other way round.

Where the Matrix Authentication Service (MAS) manages the accounts, both keep this state. The state in MAS
decides who can sign in.

Why it matters

An account that only Synapse has as locked can go on: Synapse does not look at its own lock. One that only MAS
has as locked is shown to others as if it were not.

What it shows

    @bob:example.org is locked in Synapse and not in MAS.
    (details: user_id, in_mas)

How to fix it

    synadmin user lock @bob:example.org

or, where the account should be active, `synadmin user unlock @bob:example.org`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from synadmin.audit.facts import Need, ServerFacts
from synadmin.audit.findings import Found, Severity
from synadmin.audit.one_sided import one_sided

ID = "half-locked"
SEVERITY = Severity.ERROR
SUBJECT = ServerFacts
NEEDS = frozenset({Need.MAS_ACCOUNTS})
OPTIONS: dict[str, Any] = {}


def check(facts: ServerFacts, _options: Mapping[str, Any]) -> Iterator[Found]:
    """Yield a finding for each account that is locked on one side alone."""
    yield from one_sided(facts, "locked", "lock")
