"""A signal ends a run as Ctrl-C does: temporary changes are reverted, and the exit code is the signal's."""

import signal
import sys
from typing import NoReturn

_DROPPED = 0.01  # seconds until an interruption that was dropped comes again


class Interruption(KeyboardInterrupt):
    """A signal that ends the run.

    Python remembers a plain KeyboardInterrupt that comes while a dataclass is being made, and kills itself in
    the end, whatever the exit code is.
    """


def interrupt_on_signals() -> None:
    """Raise :class:`Interruption` at Ctrl-C, when the ssh session closes, and when the unit is stopped."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # What nohup ignores stays ignored.
        if signal.getsignal(number) in {signal.SIG_DFL, signal.default_int_handler}:
            signal.signal(number, interrupt)
    signal.signal(signal.SIGALRM, interrupt)
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = repeat_dropped


def interrupt(_number: int, _frame: object) -> NoReturn:
    """Handle a signal."""
    raise Interruption


def repeat_dropped(ignored: "sys.UnraisableHookArgs") -> None:
    """Interrupt once more where Python had to drop the interruption, as in a callback of its import."""
    if isinstance(ignored.exc_value, Interruption):
        signal.setitimer(signal.ITIMER_REAL, _DROPPED)
    else:
        sys.__unraisablehook__(ignored)
