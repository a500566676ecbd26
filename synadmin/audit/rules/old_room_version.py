"""A room of version 5 or older, or of an unstable version.

`oldest` is the lowest version that is not reported. Unstable versions are those whose name is not a
number; the option `unstable` says whether they count.

Why it matters

Old versions have known faults: state that falls back to what it was before (1), signing keys that hold
past their time (up to 4), levels and events that servers read differently (up to 5). Unstable ones were
made for an experiment, and servers drop them without notice.

What it shows

    The room is of version 1.
    (details: version)

How to fix it

Have somebody who controls the room upgrade it, in their client: `/upgraderoom 12` in Element. Members
have to follow into the new room. Who controls it: `synadmin room power '!chess:example.org'`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from synadmin.audit.facts import RoomFacts
from synadmin.audit.findings import Finding, Severity

ID = "old-room-version"
SEVERITY = Severity.WARNING
SUBJECT = RoomFacts
OPTIONS: dict[str, Any] = {"oldest": 6, "unstable": True}


def check(facts: RoomFacts, options: Mapping[str, Any]) -> Iterator[Finding]:
    """Find a room of an old or unstable version."""
    version = facts.view.version
    if not facts.view.in_room:
        return
    stable = version.isascii() and version.isdigit()
    if int(version) >= options["oldest"] if stable else not options["unstable"]:
        return
    unstable = "" if stable else ", which is unstable"
    yield Finding(
        rule=ID,
        severity=SEVERITY,
        subject=facts.subject,
        message=f"The room is of version {version}{unstable}.",
        details={"version": version},
    )
