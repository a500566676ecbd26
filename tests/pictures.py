"""Make the pictures of the audit report for the documentation: ``make transcripts`` runs this.

The script audits a sandbox, and opens the HTML report in Chromium with the screen sizes of a computer and of
a phone. The pictures show the first screen of the page.
"""

from __future__ import annotations

import base64
import sys
import tempfile
from pathlib import Path

from tests.live.test_transcripts import ROOT, Terminal
from tests.unit.audit.report.browser import CHROMIUM, Browser

PICTURES = ROOT / "docs" / "pictures"
SCREENS = {"audit-1400.png": (1400, 1275), "audit-400.png": (400, 800)}  # pixels


def make_pictures(report: Path) -> None:
    """Write a picture of a report for each screen size."""
    assert CHROMIUM is not None
    with Browser(CHROMIUM) as browser:
        for name, (width, height) in SCREENS.items():
            browser.screen(width=width, height=height)
            browser.send("Emulation.setScrollbarsHidden", hidden=True)
            browser.open(report)
            picture = browser.send("Page.captureScreenshot", format="png")["data"]
            (PICTURES / name).write_bytes(base64.b64decode(picture))


def main() -> int:
    """Audit a sandbox and make the pictures."""
    if CHROMIUM is None:
        sys.stderr.write("the pictures of the report are unchanged: Chromium is not installed\n")
        return 0
    with tempfile.TemporaryDirectory() as home:
        with Terminal(Path(home)) as terminal:
            terminal.type('synadmin sandbox up && eval "$(synadmin sandbox env)"')
            terminal.type("synadmin audit -o html --output-file report.html")
        make_pictures(Path(home) / "report.html")
    return 0


if __name__ == "__main__":
    sys.exit(main())
