"""How long `control check` of rooms in order takes, against an audit of the same rooms, and how much memory.

    python benchmarks/control.py [--rooms 1000] [--people 50] [--rounds 5] [--directory DIR]

On a real Synapse with that many rooms, each as the file says, both commands in turn, with a concurrency of
eight. Then the peak of the memory for all rooms against that for a tenth of them. Ends with 1 where a claim
does not hold. To make the rooms takes longest: with `--directory` they are kept for the next time.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from audit import AT_ONCE, SYNADMIN, environment, filled

from synadmin.sandbox.homeserver import Homeserver

MOST = 1.2
MOST_MEMORY = 1.2


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description="A check of control as code against an audit.")
    parser.add_argument("--rooms", type=int, default=1000)
    parser.add_argument("--people", type=int, default=50, help="who have made the rooms, each as many")
    parser.add_argument("--version", default="11", help="of the rooms")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--directory", type=Path, help="where the server is kept for the next time")
    options = parser.parse_args()
    with Homeserver(options.directory) as server, tempfile.TemporaryDirectory() as scratch:
        filled(server, options)
        people = [f"@member-{number}:{server.server_name}" for number in range(options.people)]
        everything = file_for(people, Path(scratch) / "all.toml")
        tenth = file_for(people[: max(1, len(people) // 10)], Path(scratch) / "tenth.toml")
        audit, check = ["audit", "rooms", "--fail-on", "never"], ["control", "check", str(everything)]
        measured(server, audit)
        measured(server, check)  # both have warmed the server's caches now
        pairs = [(measured(server, audit)[0], measured(server, check)) for _ in range(options.rounds)]
        ratios = [checked / audited for audited, (checked, _) in pairs]
        memory = statistics.median(peak for _, (_, peak) in pairs)
        of_a_tenth = measured(server, ["control", "check", str(tenth)])[1]
    ratio, growth = statistics.median(ratios), memory / of_a_tenth
    print(f"{options.rooms} rooms of {options.people} people, {AT_ONCE} at once, {options.rounds} rounds:")
    print(f"  the check takes {ratio:.2f} x what the audit takes ({min(ratios):.2f}-{max(ratios):.2f})")
    print(f"  it needs {growth:.2f} x the memory of a check of a tenth of the rooms")
    holds = ratio <= MOST and growth <= MOST_MEMORY
    print(f"at most {MOST} x the time and {MOST_MEMORY} x the memory: {'yes' if holds else 'NO'}")
    return 0 if holds else 1


def file_for(people: list[str], path: Path) -> Path:
    """Write a control file that says what holds: who has made a room is its only admin."""
    entries = [
        f'[[rooms]]\nname = "of {user}"\nmatch = {{ creator = "{user}" }}\n'
        f'admins = ["{user}"]\nnobody_else = true\n'
        for user in people
    ]
    path.write_text("version = 1\n\n" + "\n".join(entries), "utf-8")
    return path


def measured(server: Homeserver, arguments: list[str]) -> tuple[float, float]:
    """Run a command that finds nothing; return its seconds and the peak of its memory in MB."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [SYNADMIN, *arguments],
        env=environment(server.url, server.admin.token, server.directory, AT_ONCE),
        stdout=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if status != 0:
        sys.exit(f"synadmin {' '.join(arguments)} ended with {os.waitstatus_to_exitcode(status)}")
    return seconds, used.ru_maxrss / 1000


if __name__ == "__main__":
    sys.exit(main())
