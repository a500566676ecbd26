"""A registration token without expiry and without limit.

The token is a secret and is not shown: only its beginning, and a few characters of its SHA-256 digest that
distinguish it from others.

Why it matters

Every person who has the token can make any number of accounts, forever. Tokens are passed on, also in chats.

What it shows

    The registration token abcd…1f3a has no expiry and no limit; it was used 17 times.
    (details: token, used)

How to fix it

    synadmin registration-token list --valid
    synadmin registration-token update TOKEN --expires 30d

or `synadmin registration-token delete TOKEN`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from synadmin.audit.facts import Need, ServerFacts
from synadmin.audit.findings import Found, Severity, Subject
from synadmin.text import command

ID = "open-registration-token"
SEVERITY = Severity.WARNING
SUBJECT = ServerFacts
NEEDS = frozenset({Need.REGISTRATION_TOKENS})
OPTIONS: dict[str, Any] = {}


def check(facts: ServerFacts, _options: Mapping[str, Any]) -> Iterator[Found]:
    """Yield a finding for each token without expiry and without limit."""
    for token in facts.tokens or ():
        if not token.unlimited or token.expires is not None:
            continue
        times = "once" if token.used == 1 else f"{token.used} times"
        yield Found(
            subject=Subject("token", token.label),
            message=f"The registration token {token.label} has no expiry and no limit; it was used {times}.",
            fix=command("registration-token", "list", "--valid"),
            details={"token": token.label, "used": token.used},
        )
