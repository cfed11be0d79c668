"""What a client is told, in one line, where its request is not answered."""


class RefusedError(Exception):
    """The message is one line: what, what was expected, what to do; `status` is HTTP's."""

    def __init__(self, message: str, status: int, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}


class UnreadableError(RefusedError):
    """An image that cannot be decoded: 415 where its kind is not one that is read, 422 where it is broken."""
