"""An account that is deactivated in MAS and not in Synapse, or the other way round.

Where the Matrix Authentication Service (MAS) manages the accounts, both keep this state. The state in MAS
decides who can sign in.

Why it matters

An account that only Synapse has as deactivated can sign in again. One that only MAS has as deactivated is
still in its rooms, and keeps its power there.

What it shows

    @bob:example.org is deactivated in Synapse and not in MAS.
    (details: user_id, in_mas)

How to fix it

    synadmin user deactivate @bob:example.org

or, where the account should be active, `synadmin user reactivate @bob:example.org`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from synadmin.audit.facts import Need, ServerFacts
from synadmin.audit.findings import Found, Severity
from synadmin.audit.one_sided import one_sided

ID = "half-deactivated"
SEVERITY = Severity.ERROR
SUBJECT = ServerFacts
NEEDS = frozenset({Need.MAS_ACCOUNTS})
OPTIONS: dict[str, Any] = {}


def check(facts: ServerFacts, _options: Mapping[str, Any]) -> Iterator[Found]:
    """Yield a finding for each account that is deactivated on one side alone."""
    yield from one_sided(facts, "deactivated", "deactivate")
