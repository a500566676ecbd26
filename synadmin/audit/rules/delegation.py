"""The server's own name does not lead to it. Off by default.

The result of `synadmin federation check` for the server's own name: which route other servers take, and
whether they arrive. The check connects to addresses that DNS and the well-known file name, from the machine
that runs the audit. So it is off unless the configuration has `enabled = true`, or you pass
`--rule delegation`.

Why it matters

Users of other servers cannot reach yours: no messages, no invitations. From inside everything looks fine.

What it shows

    Other servers do not reach example.org: no certificate for example.org.
    (details: verdict)

How to fix it

    synadmin federation check example.org

shows each step of the route and what to do. Usual causes are an expired certificate and a well-known file
that has moved.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from synadmin.audit.facts import Need, ServerFacts
from synadmin.audit.findings import Found, Severity

ID = "delegation"
SEVERITY = Severity.ERROR
SUBJECT = ServerFacts
NEEDS = frozenset({Need.DELEGATION})
OPTIONS: dict[str, Any] = {"enabled": False}


def check(facts: ServerFacts, _options: Mapping[str, Any]) -> Iterator[Found]:
    """Yield a finding where the server's name leads elsewhere, or nowhere."""
    delegation = facts.delegation
    if delegation is None or delegation.verdict != "broken":
        return
    yield Found(
        message=f"Other servers do not reach {facts.server_name}: {delegation.message}",
        details={"verdict": delegation.verdict},
    )
