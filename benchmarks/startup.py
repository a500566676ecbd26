"""How long it takes until help is on the screen, against what any click program takes.

    python benchmarks/startup.py [--rounds 40]

Runs `python -c "import click"` and the commands in turn, so that whatever else the machine does strikes
them alike, and compares the medians. Ends with 1 where a command takes more than 1.5 times as long.
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

MOST = 1.5
BASE = "python -c 'import click'"
SYNADMIN = str(Path(sys.executable).with_name("synadmin"))
RUNS = {
    BASE: (sys.executable, "-c", "import click"),
    "synadmin --help": (SYNADMIN, "--help"),
    "synadmin room make-admin --help": (SYNADMIN, "room", "make-admin", "--help"),
}


def seconds(command: tuple[str, ...]) -> float:
    """Run a command once and return the wall-clock seconds."""
    started = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description="Start-up time, against `import click` alone.")
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    for command in RUNS.values():
        seconds(command)  # writes the bytecode, warms the file cache
    taken: dict[str, list[float]] = {name: [] for name in RUNS}
    for _ in range(rounds):
        for name, command in RUNS.items():
            taken[name].append(seconds(command))
    worst = 0.0
    for name, times in taken.items():
        # Round by round: what slowed one of its runs down slowed the others down, too.
        ratio = statistics.median(one / base for one, base in zip(times, taken[BASE], strict=True))
        worst = max(worst, ratio)
        print(f"{name:32} {statistics.median(times) * 1000:6.1f} ms  {ratio:5.2f} x")
    print(f"at most {MOST} x: {'yes' if worst <= MOST else 'NO'}")
    return 0 if worst <= MOST else 1


if __name__ == "__main__":
    sys.exit(main())
