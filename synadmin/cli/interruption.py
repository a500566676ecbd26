"""Handle signals like Ctrl-C: temporary changes are reverted, and the exit code is that of the signal."""

import signal
import sys
from typing import NoReturn

_DROPPED = 0.01  # seconds until a dropped interruption is repeated


class Interruption(KeyboardInterrupt):
    """A signal that ends the run.

    If a plain KeyboardInterrupt arrives while a dataclass is defined, Python stores it and kills itself at
    the end, whatever the exit code is. This class avoids that.
    """


def interrupt_on_signals() -> None:
    """Raise :class:`Interruption` on SIGINT (Ctrl-C), SIGTERM and SIGHUP (a closed ssh session)."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Signals that nohup ignores stay ignored.
        if signal.getsignal(number) in {signal.SIG_DFL, signal.default_int_handler}:
            signal.signal(number, interrupt)
    signal.signal(signal.SIGALRM, interrupt)
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = repeat_dropped


def interrupt(_number: int, _frame: object) -> NoReturn:
    """Raise an interruption for a signal."""
    raise Interruption


def repeat_dropped(ignored: "sys.UnraisableHookArgs") -> None:
    """Interrupt again where Python has dropped the interruption, for example in a callback of an import."""
    if isinstance(ignored.exc_value, Interruption):
        signal.setitimer(signal.ITIMER_REAL, _DROPPED)
    else:
        sys.__unraisablehook__(ignored)
