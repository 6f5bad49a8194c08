"""Take the terminal's Ctrl-C for this process alone, so that `make` lives on to report a clean end."""

import contextlib
import os
import signal
from collections.abc import Iterator


@contextlib.contextmanager
def foreground() -> Iterator[None]:
    """Become the terminal's foreground group while the block runs; without a terminal, do nothing.

    Only where somebody else (make) leads the group that is in the foreground now: a shell that started this
    process itself has put it there already, and a job in the background must not take the terminal.
    """
    try:
        terminal = os.open("/dev/tty", os.O_RDWR)
    except OSError:
        yield
        return
    try:
        caller = os.tcgetpgrp(terminal)
        if caller != os.getpgrp() or caller == os.getpid():
            yield
            return
        # Writing to the terminal's settings from the background would stop us, and nobody could continue us
        # after Ctrl-Z: the shell watches make.
        for ignored in (signal.SIGTTOU, signal.SIGTSTP):
            signal.signal(ignored, signal.SIG_IGN)
        os.setpgid(0, 0)
        os.tcsetpgrp(terminal, os.getpid())
        try:
            yield
        finally:
            os.tcsetpgrp(terminal, caller)
    finally:
        os.close(terminal)
