"""Write the pages that are read off the program: the operations of the Admin API, and the rules of the audit.

    python docs/generate.py          write them
    python docs/generate.py --check  end with 1 where one of them is no longer what the program says

`make docs` checks, and so does a test; `make reference` writes.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from synadmin.audit import rules
from synadmin.cli.operations import Operation, operations

_HERE = Path(__file__).parent
_SYNAPSE = "1.163.2"


def pages() -> dict[str, str]:
    """Return the pages by their file names."""
    return {
        "api-coverage.md": "\n".join(_coverage(operations())) + "\n",
        "audit-rules.md": rules.document(),
    }


def _coverage(found: list[Operation]) -> Iterator[str]:
    yield "# The Admin API"
    yield ""
    yield f"The {len(found)} operations that Synapse {_SYNAPSE} has under `/_synapse/admin`, with the"
    yield "call in Python and the command for each. `synadmin api --list` prints the same, for scripts with"
    yield "`-o json`."
    yield ""
    yield "*Since* is the Synapse version that brought it, where that is younger than 1.98. *MAS* tells"
    yield "whether it is still there where the Matrix Authentication Service keeps the accounts."
    yield ""
    yield "| Operation | Call | Command | Since | MAS |"
    yield "|---|---|---|---|---|"
    for one in found:
        path = one.path.removeprefix("/_synapse/admin")
        deprecated = f" (deprecated: use `{one.instead}`)" if one.instead else ""
        yield (
            f"| `{one.method} {path}`{deprecated} | `{one.call}` | `synadmin {one.command}` "
            f"| {one.since or ''} | {'yes' if one.mas else 'no'} |"
        )


def main() -> int:
    """Write the pages, or check them."""
    check = "--check" in sys.argv[1:]
    stale = [name for name, text in pages().items() if _read(_HERE / name) != text]
    for name in stale:
        if check:
            sys.stderr.write(f"docs/{name} is not what the program says: run `make reference`\n")
        else:
            (_HERE / name).write_text(pages()[name], "utf-8")
    return 1 if check and stale else 0


def _read(path: Path) -> str | None:
    return path.read_text("utf-8") if path.exists() else None


if __name__ == "__main__":
    sys.exit(main())
