"""End a stage together with the `gleaner run` that started it, however that ended.

Only `gleaner run` holds the write end of a pipe whose read end the stage inherits: a read of it returns once
`gleaner run` is gone, SIGKILL included. Unlike PR_SET_PDEATHSIG this does not depend on the thread that started the
stage, and works on every Unix.
"""

import os
import shutil
import signal
import threading
from contextlib import suppress

PIPE = "GLEANER_PARENT_PIPE"  # file descriptor of the read end
SCRATCH = "GLEANER_SCRATCH"  # folder of the stage's temporary files, which its parent removes
GRACE = 5.0  # seconds that an interrupted stage has before it is killed


def follow() -> None:
    """End this process and its process group once the parent that set `PIPE` is gone; without one, do nothing.

    Also make SIGINT interrupt this process: what a shell starts in the background inherits that it is ignored.
    """
    if PIPE not in os.environ or "TORCHELASTIC_RUN_ID" in os.environ:  # torchrun's processes end with their launcher
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_wait_for_the_end, daemon=True).start()


def _wait_for_the_end() -> None:
    while os.read(int(os.environ[PIPE]), 1):
        pass
    threading.Thread(target=_end_group, daemon=False).start()  # which Python waits for before it exits


def _end_group() -> None:
    with suppress(ProcessLookupError):
        os.killpg(0, signal.SIGINT)
    threading.main_thread().join(GRACE)
    shutil.rmtree(os.environ[SCRATCH], ignore_errors=True)
    os.killpg(0, signal.SIGKILL)
