from __future__ import annotations

import signal
import time
from types import SimpleNamespace
from typing import Any

import pytest

from synadmin.cli.interruption import Interruption, interrupt, repeat_dropped


def test_dropped_interruption_is_raised_again() -> None:
    before = signal.signal(signal.SIGALRM, interrupt)
    dropped: Any = SimpleNamespace(exc_value=Interruption())
    try:
        repeat_dropped(dropped)
        with pytest.raises(KeyboardInterrupt):
            time.sleep(60)
    finally:
        signal.signal(signal.SIGALRM, before)
