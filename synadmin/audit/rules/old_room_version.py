"""A room of version 5 or older, or of an unstable version.

The option `oldest` is the lowest version that is not reported. An unstable version is one whose name is not a
number; the option `unstable` sets whether they are reported.

Why it matters

Old versions have known faults: state that falls back to an earlier one (1), signing keys that are valid for
too long (up to 4), levels and events that servers read differently (up to 5). Unstable versions were made for
experiments, and servers drop them without notice.

What it shows

    The room has version 1.
    (details: version)

How to fix it

Ask a user who controls the room to upgrade it in their client: `/upgraderoom 12` in Element. The members have
to follow into the new room. `synadmin room power '!chess:example.org'` lists who controls it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from synadmin.audit.facts import RoomFacts
from synadmin.audit.findings import Found, Severity

ID = "old-room-version"
SEVERITY = Severity.WARNING
SUBJECT = RoomFacts
NEEDS = frozenset[Any]()
OPTIONS: dict[str, Any] = {"oldest": 6, "unstable": True}


def check(facts: RoomFacts, options: Mapping[str, Any]) -> Iterator[Found]:
    """Yield a finding for a room of an old or unstable version."""
    version = facts.view.version
    if not facts.view.in_room:
        return
    stable = version.isascii() and version.isdigit()
    if _number(version) >= options["oldest"] if stable else not options["unstable"]:
        return
    unstable = "" if stable else ", which is unstable"
    yield Found(message=f"The room has version {version}{unstable}.", details={"version": version})


def _number(version: str) -> int:
    # Python refuses to read thousands of digits, which a room can claim.
    return int(version[-9:]) if len(version) <= 9 else 10**9  # noqa: PLR2004
