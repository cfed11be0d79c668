"""Exceptions that end a stage with one line: bad input of the user, and failures elsewhere."""

OUT_OF_MEMORY = "ran out of memory: lower batch_size or image_size, or give the stage more memory"


class BadInputError(Exception):
    """Something the user gave is wrong. The message is one line: what, where, what was expected, what to do.

    The command line prints it without a traceback and exits with code 2.
    """


class FailedError(Exception):
    """Something failed elsewhere, and a traceback of ours would say nothing. The message is one line; exit code 1."""


def last_words(stage: str, error: BaseException) -> tuple[str, int] | None:
    """The line and the exit code by which a stage ends; None for a bug, which keeps its traceback."""
    if isinstance(error, BadInputError):
        return f"error: {stage}: {error}", 2
    if isinstance(error, FailedError):
        return f"error: {stage}: {error}", 1
    if isinstance(error, MemoryError):
        return f"error: {stage}: {OUT_OF_MEMORY}", 1
    return None
