"""How much CPU time it takes until help is on the screen, against what any click program takes.

    python benchmarks/startup.py [--rounds 40]

Runs `python -c "import click"` and the commands in turn, and compares the least CPU time (user and system)
of each: what else the machine does adds to a run, and never takes from it. Ends with 1 where a command takes
more than 1.5 times as much.
"""

import argparse
import os
import resource
import subprocess
import sys
from pathlib import Path

MOST = 1.5
BASE = "python -c 'import click'"
SYNADMIN = str(Path(sys.executable).with_name("synadmin"))
RUNS = {
    BASE: (sys.executable, "-c", "import click"),
    "synadmin --help": (SYNADMIN, "--help"),
    "synadmin room make-admin --help": (SYNADMIN, "room", "make-admin", "--help"),
    "synadmin room list --help": (SYNADMIN, "room", "list", "--help"),
}
# As it is once installed: the bytecode is there.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def cpu_seconds(command: tuple[str, ...]) -> float:
    """Run a command once and return its CPU time in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdout=subprocess.DEVNULL, env=ENVIRONMENT, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description="Start-up time, against `import click` alone.")
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    for command in RUNS.values():
        cpu_seconds(command)  # writes the bytecode, warms the file cache
    least = dict.fromkeys(RUNS, float("inf"))
    for _ in range(rounds):
        for name, command in RUNS.items():
            least[name] = min(least[name], cpu_seconds(command))
    for name, seconds in least.items():
        print(f"{name:32} {seconds * 1000:6.1f} ms  {seconds / least[BASE]:5.2f} x")
    worst = max(least.values()) / least[BASE]
    print(f"at most {MOST} x: {'yes' if worst <= MOST else 'NO'}")
    return 0 if worst <= MOST else 1


if __name__ == "__main__":
    sys.exit(main())
