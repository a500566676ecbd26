"""Print the oldest release of each dependency that pyproject.toml allows, as constraints for pip."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)>=(?P<bound>[\w.]+)")


def main() -> None:
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    for requirement in project["dependencies"]:
        match = _REQUIREMENT.fullmatch(requirement)
        if match is None:
            message = f"not of the form name>=version: {requirement}"
            raise SystemExit(message)
        print(f"{match['name']}=={match['bound']}")  # noqa: T201 - pip reads the output


if __name__ == "__main__":
    main()
