"""Measure the time and the memory of `control check`, compared with an audit of the same rooms.

    python benchmarks/control.py [--rooms 1000] [--people 50] [--rounds 5] [--directory DIR]

Starts a real Synapse with that many rooms, which match the file. Both commands run alternately, with a
concurrency of eight. Then the peak memory is compared with a check of a tenth of the rooms. Exits with 1 if a
claim does not hold. The creation of the rooms takes most of the time: `--directory` keeps the server for the
next run.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from audit import CONCURRENCY, SYNADMIN, create_rooms, environment

from synadmin.sandbox.homeserver import Homeserver

MAX_RATIO = 1.2
MAX_MEMORY_RATIO = 1.2


def main() -> int:
    """Measure, print the results, and return 1 if a claim does not hold."""
    parser = argparse.ArgumentParser(description="Measure control check, compared with an audit.")
    parser.add_argument("--rooms", type=int, default=1000)
    parser.add_argument(
        "--people", type=int, default=50, help="number of users; each creates the same number of rooms"
    )
    parser.add_argument("--version", default="11", help="room version")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--directory", type=Path, help="keep the server in this directory for the next run")
    options = parser.parse_args()
    with Homeserver(options.directory) as server, tempfile.TemporaryDirectory() as scratch:
        create_rooms(server, options)
        people = [f"@member-{number}:{server.server_name}" for number in range(options.people)]
        all_rooms = write_control_file(people, Path(scratch) / "all.toml")
        tenth_of_rooms = write_control_file(people[: max(1, len(people) // 10)], Path(scratch) / "tenth.toml")
        audit, check = ["audit", "rooms", "--fail-on", "never"], ["control", "check", str(all_rooms)]
        run_measured(server, audit)
        run_measured(server, check)  # the first runs fill the caches of the server
        pairs = [(run_measured(server, audit)[0], run_measured(server, check)) for _ in range(options.rounds)]
        ratios = [checked / audited for audited, (checked, _) in pairs]
        memory = statistics.median(peak for _, (_, peak) in pairs)
        memory_of_tenth = run_measured(server, ["control", "check", str(tenth_of_rooms)])[1]
    ratio, growth = statistics.median(ratios), memory / memory_of_tenth
    print(f"{options.rooms} rooms of {options.people} users, {options.rounds} rounds:")
    print(f"  check, compared with the audit: {ratio:.2f} x the time ({min(ratios):.2f}-{max(ratios):.2f})")
    print(f"  check, compared with a check of a tenth of the rooms: {growth:.2f} x the memory")
    holds = ratio <= MAX_RATIO and growth <= MAX_MEMORY_RATIO
    claim = f"at most {MAX_RATIO} x the time and {MAX_MEMORY_RATIO} x the memory"
    print(f"claim, {claim}: {'yes' if holds else 'NO'}")
    return 0 if holds else 1


def write_control_file(people: list[str], path: Path) -> Path:
    """Write a control file that matches the rooms: the creator of a room is its only admin."""
    entries = [
        f'[[rooms]]\nname = "of {user}"\nmatch = {{ creator = "{user}" }}\n'
        f'admins = ["{user}"]\nnobody_else = true\n'
        for user in people
    ]
    path.write_text("version = 1\n\n" + "\n".join(entries), "utf-8")
    return path


def run_measured(server: Homeserver, arguments: list[str]) -> tuple[float, float]:
    """Run a command that finds no difference; return its seconds and its peak memory in MB."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [SYNADMIN, *arguments],
        env=environment(server.url, server.admin.token, server.directory, CONCURRENCY),
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if status != 0:
        sys.exit(f"synadmin {' '.join(arguments)} ended with {os.waitstatus_to_exitcode(status)}")
    return seconds, usage.ru_maxrss / 1000


if __name__ == "__main__":
    sys.exit(main())
