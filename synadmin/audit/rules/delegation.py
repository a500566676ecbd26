"""The server's own name does not lead to it. Off unless asked for.

What `synadmin federation check` finds about the server's own name: which way other servers go, and whether
they arrive. It connects to addresses that DNS and the well-known file name, from the machine on which the
audit runs, which is why it is off unless the configuration has `enabled = true`, or `--rule delegation`
asks for it.

Why it matters

Nobody on other servers can reach yours: no messages, no invitations. From inside all looks well.

What it shows

    Other servers do not get through to example.org: no certificate for example.org.
    (details: verdict)

How to fix it

    synadmin federation check example.org

shows each step of the way and what to do. An expired certificate and a moved well-known file are the usual
causes.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from synadmin.audit.facts import ServerFacts
from synadmin.audit.findings import Finding, Severity
from synadmin.audit.regain import command

ID = "delegation"
SEVERITY = Severity.ERROR
SUBJECT = ServerFacts
OPTIONS: dict[str, Any] = {"enabled": False}


def check(facts: ServerFacts, _options: Mapping[str, Any]) -> Iterator[Finding]:
    """Find that the server's name leads elsewhere, or nowhere."""
    found = facts.delegation
    if found is None or found.verdict != "broken":
        return
    yield Finding(
        rule=ID,
        severity=SEVERITY,
        subject=facts.subject,
        message=f"Other servers do not get through to {facts.server_name}: {found.message}",
        fix=command("federation", "check", facts.server_name),
        details={"verdict": found.verdict},
    )
