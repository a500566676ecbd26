"""Measure commands with a journal of 500,000 entries, compared with a journal of one run.

    python benchmarks/journal.py [--entries 500000] [--rounds 10]

Starts a Synapse, writes a journal in the old text format, and imports it (the time is printed). Then each
command runs alternately with the short and the long journal, so that other load on the machine affects both.
Exits with 1 if a command takes more than 1.2 times as long with the long journal.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from synadmin.journal import Journal, entries
from synadmin.sandbox.homeserver import Homeserver

MAX_RATIO = 1.2
ENTRIES_PER_RUN = 5


def add_run(path: Path, server: str) -> None:
    """Add a finished run, so that both journals have a last run."""
    journal = Journal(path, command="room make-admin")
    entry = journal.begin(
        server=server,
        user="@admin:club.example",
        on_behalf_of=None,
        method="POST",
        path="/benchmark",
        body={},
    )
    journal.finish(entry, status=200)
    journal.end(0)


def import_old_journal(path: Path, server: str, count: int) -> float:
    """Write a journal in the old format, import it, and return the seconds of the import."""
    with path.with_suffix(".jsonl").open("w", encoding="utf-8") as file:
        for number in range(count):
            run = f"20260101T000000-{number // ENTRIES_PER_RUN:06x}"
            fields = {
                "id": f"{run}-{number % ENTRIES_PER_RUN + 1}",
                "time": "2026-01-01T00:00:00.000Z",
                "run": run,
                "command": "room make-admin",
                "server": server,
                "user": "@admin:club.example",
                "on_behalf_of": None,
                "method": "POST",
                "path": f"/_synapse/admin/v1/rooms/%21{number:018d}/make_room_admin",
                "body": {"user_id": "@admin:club.example"},
                "status": 200,
                "errcode": None,
            }
            file.write(json.dumps(fields) + "\n")
    started = time.perf_counter()
    next(entries(path))
    return time.perf_counter() - started


def seconds(command: list[str], journal: Path, server: Homeserver) -> float:
    """Run a command once; return the elapsed seconds."""
    env = {
        **os.environ,
        "SYNADMIN_JOURNAL": str(journal),
        "SYNADMIN_HOMESERVER": server.url,
        "SYNADMIN_ACCESS_TOKEN": server.admin.token,
    }
    started = time.perf_counter()
    command = [sys.executable, "-m", "synadmin", *command]
    subprocess.run(command, env=env, capture_output=True, check=True)
    return time.perf_counter() - started


def main() -> int:
    """Measure, print the results, and return 1 if the claim does not hold."""
    parser = argparse.ArgumentParser(description="Measure the time of commands with a long journal.")
    parser.add_argument("--entries", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, Homeserver(Path(scratch) / "server") as server:
        short, long = Path(scratch) / "short.sqlite3", Path(scratch) / "long.sqlite3"
        import_seconds = import_old_journal(long, server.url, options.entries)
        print(f"{options.entries} entries imported in {import_seconds:.1f} s, once")
        for path in (short, long):
            add_run(path, server.url)
        room_id = server.register("alice").create_room("Benchmark")
        commands = [
            ["room", "make-admin", room_id, "--dry-run"],
            ["journal", "list"],
            ["journal", "resume", "last"],
        ]
        worst = 0.0
        for command in commands:
            seconds(command, short, server)
            pairs = [
                (seconds(command, short, server), seconds(command, long, server))
                for _ in range(options.rounds)
            ]
            ratio = statistics.median(with_long / with_short for with_short, with_long in pairs)
            worst = max(worst, ratio)
            times = [statistics.median(times) * 1000 for times in zip(*pairs, strict=True)]
            print(f"{' '.join(command[:2]):16} {times[0]:6.0f} ms  {times[1]:6.0f} ms  {ratio:5.2f} x")
    print(f"at most {MAX_RATIO} x: {'yes' if worst <= MAX_RATIO else 'NO'}")
    return 0 if worst <= MAX_RATIO else 1


if __name__ == "__main__":
    sys.exit(main())
