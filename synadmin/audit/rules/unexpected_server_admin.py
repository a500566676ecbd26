"""A server admin who is not on the configured list.

The list is `server_admins` in `[audit]`. Without it, each server admin is reported as information: write the
list from that, and name the file with `--config`. Deactivated accounts do not count.

Why it matters

A server admin can do everything that this tool can: join rooms and read along, log in as other users, delete
rooms. No account should have that right by accident, or keep it after its user has left.

What it shows

    @bob:example.org is a server admin and not on the list.
    (details: user_id, listed)

How to fix it

    synadmin user admin revoke @bob:example.org

or, where the user should be a server admin, add them to the list:

    [audit]
    server_admins = ["@admin:example.org", "@bob:example.org"]
"""

from collections.abc import Iterator, Mapping
from typing import Any

from synadmin.audit.facts import Need, ServerFacts
from synadmin.audit.findings import Found, Severity
from synadmin.audit.regain import command_to_revoke_admin
from synadmin.power.room import AccountState

ID = "unexpected-server-admin"
SEVERITY = Severity.ERROR
SUBJECT = ServerFacts
NEEDS = frozenset({Need.SERVER_ADMINS})
OPTIONS: dict[str, Any] = {"server_admins": None}


def check(facts: ServerFacts, options: Mapping[str, Any]) -> Iterator[Found]:
    """Yield a finding for each server admin who is not on the list; for all where there is none."""
    expected = options["server_admins"]
    for account in facts.admins:
        user = account.user_id
        if account.state in {AccountState.DEACTIVATED, AccountState.MISSING}:
            continue
        if expected is None:
            yield Found(
                severity=Severity.INFO,
                subject=account.subject,
                message=f"{user} is a server admin; the configuration (--config) has no server_admins.",
                details={"user_id": user, "listed": None},
            )
        elif user not in expected:
            yield Found(
                subject=account.subject,
                message=f"{user} is a server admin and not on the list.",
                fix=command_to_revoke_admin(facts, user),
                details={"user_id": user, "listed": False},
            )
