"""The one exception that is the user's to mend."""


class BadInputError(Exception):
    """Something the user gave is wrong. The message is one line: what, where, what was expected, what to do.

    The command line prints it without a traceback and exits with code 2.
    """


class FailedError(Exception):
    """Something failed elsewhere, and a traceback of ours would say nothing. The message is one line; exit code 1."""
