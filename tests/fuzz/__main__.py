"""``make fuzz``: random inputs for parsers, answers and sockets; anything but a refusal is a crash."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

import click

from synadmin.errors import SynadminError
from tests.fuzz.targets import targets


def fuzz(inputs: int, seed: int) -> tuple[Counter[str], Counter[str], list[str]]:
    """Return how many inputs each target had, how many it refused, and the crashes."""
    counts: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    crashes: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, (share, target) in targets(Path(folder)).items():
            for number in range(inputs * share // 100):
                counts[name] += 1
                try:
                    target(random.Random(f"{seed} {name} {number}"))
                except (SynadminError, click.ClickException):
                    refused[name] += 1
                except Exception:  # noqa: BLE001  the crashes that fuzzing looks for
                    crashes.append(
                        f"{name}, input {number} of seed {seed}:\n{traceback.format_exc(limit=-4)}"
                    )
    return counts, refused, crashes


def main() -> int:
    """Fuzz, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    counts, refused, crashes = fuzz(options.inputs, options.seed)
    for crash in crashes[:10]:
        sys.stdout.write(f"{crash}\n")
    for name, count in counts.items():
        sys.stdout.write(f"{name:14}{count:>9} inputs, {refused[name]:>7} refused\n")
    sys.stdout.write(f"{counts.total()} inputs, seed {options.seed}: {len(crashes)} crashes\n")
    return 1 if crashes else 0


if __name__ == "__main__":
    sys.exit(main())
