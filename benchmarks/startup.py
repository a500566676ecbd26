"""Measure the CPU time of the help, compared with the import of click.

    python benchmarks/startup.py [--rounds 40]

Runs `python -c "import click"` and the commands alternately, and compares the lowest CPU time (user and
system) of each: other load on the machine only makes a run slower. Exits with 1 if a command takes more than
1.5 times the CPU time of the import.
"""

import argparse
import os
import resource
import subprocess
import sys
from pathlib import Path

MAX_RATIO = 1.5
BASE = "python -c 'import click'"
SYNADMIN = str(Path(sys.executable).with_name("synadmin"))
RUNS = {
    BASE: (sys.executable, "-c", "import click"),
    "synadmin --help": (SYNADMIN, "--help"),
    "synadmin room make-admin --help": (SYNADMIN, "room", "make-admin", "--help"),
    "synadmin room list --help": (SYNADMIN, "room", "list", "--help"),
}
# An installed program has its bytecode, so Python must write it.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def cpu_seconds(command: tuple[str, ...]) -> float:
    """Run a command once and return its CPU time in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdout=subprocess.DEVNULL, env=ENVIRONMENT, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> int:
    """Measure, print the results, and return 1 if the claim does not hold."""
    parser = argparse.ArgumentParser(description="Measure the start-up time, compared with `import click`.")
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    for command in RUNS.values():
        cpu_seconds(command)  # writes the bytecode, warms the file cache
    lowest = dict.fromkeys(RUNS, float("inf"))
    for _ in range(rounds):
        for name, command in RUNS.items():
            lowest[name] = min(lowest[name], cpu_seconds(command))
    for name, seconds in lowest.items():
        print(f"{name:32} {seconds * 1000:6.1f} ms  {seconds / lowest[BASE]:5.2f} x")
    worst = max(lowest.values()) / lowest[BASE]
    print(f"at most {MAX_RATIO} x: {'yes' if worst <= MAX_RATIO else 'NO'}")
    return 0 if worst <= MAX_RATIO else 1


if __name__ == "__main__":
    sys.exit(main())
