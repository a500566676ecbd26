"""A server admin who is not on the configured list.

The list is `server_admins` in `[audit]`. Where there is none, all server admins are told, as information:
write the list from that. Deactivated accounts do not count.

Why it matters

A server admin can do everything that this tool can: read along by joining, log in as others, delete
rooms. Nobody should have that right by accident, or still have it after leaving.

What it shows

    @bob:example.org is a server admin and not on the list.
    (details: user_id, listed)

How to fix it

    synadmin user admin revoke @bob:example.org

or, where it is meant to be so, add the user to the list:

    [audit]
    server_admins = ["@admin:example.org", "@bob:example.org"]
"""

from collections.abc import Iterator, Mapping
from typing import Any

from synadmin.audit.facts import ServerFacts
from synadmin.audit.findings import Finding, Severity
from synadmin.audit.regain import command
from synadmin.power.room import AccountState

ID = "unexpected-server-admin"
SEVERITY = Severity.ERROR
SUBJECT = ServerFacts
OPTIONS: dict[str, Any] = {"server_admins": None}


def check(facts: ServerFacts, options: Mapping[str, Any]) -> Iterator[Finding]:
    """Find server admins who are not on the list; all of them where there is none."""
    expected = options["server_admins"]
    for account in facts.admins:
        user = account.user_id
        if account.state in {AccountState.DEACTIVATED, AccountState.MISSING}:
            continue
        if expected is None:
            yield Finding(
                rule=ID,
                severity=Severity.INFO,
                subject=account.subject,
                message=f"{user} is a server admin; no list says who is meant to be.",
                details={"user_id": user, "listed": None},
            )
        elif user not in expected:
            yield Finding(
                rule=ID,
                severity=SEVERITY,
                subject=account.subject,
                message=f"{user} is a server admin and not on the list.",
                fix=command("user", "admin", "revoke", user),
                details={"user_id": user, "listed": False},
            )
