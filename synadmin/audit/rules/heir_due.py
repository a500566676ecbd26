"""A room whose heirs take over soon: all who control it are inactive.

The heirs are in a control file, see [Control as code](control.md). The rule runs where `--control FILE`
names the file. It finds rooms with heirs whose controllers have been inactive for a long time: they will be
notified, they were notified, or the heirs are due.

Why it matters

A controller who wants to keep the room has to use the account in time.

What it shows

    @bob:example.org gets control on 2027-01-31: no user who controls the room has been active lately.
    (details: heirs, date, stage)

How to fix it

    synadmin control plan control.toml

shows what `synadmin control apply` will do: notify the controllers, or give the heirs control.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from synadmin.audit.facts import Need, RoomFacts
from synadmin.audit.findings import Found, Severity
from synadmin.text import command

ID = "heir-due"
SEVERITY = Severity.WARNING
SUBJECT = RoomFacts
NEEDS: frozenset[Need] = frozenset()
OPTIONS: dict[str, Any] = {}


def check(facts: RoomFacts, options: Mapping[str, Any]) -> Iterator[Found]:
    """Yield a finding for a room whose heirs take over soon."""
    del options
    heirs = facts.heirs
    if heirs is None:
        return
    get = "gets" if len(heirs.users) == 1 else "get"
    yield Found(
        message=f"{', '.join(heirs.users)} {get} control on {heirs.date}: no user who controls the room has "
        "been active lately.",
        fix=command("control", "plan", heirs.file),
        details={"heirs": list(heirs.users), "date": heirs.date, "stage": heirs.stage},
    )
