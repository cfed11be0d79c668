"""What a person is told, in one line, where the page asked for something that cannot be."""


class RefusedError(Exception):
    """The message is one line: what, what was expected, what to do; `status` is HTTP's."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status
