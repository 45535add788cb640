"""`RefusedError`: a request that is answered with an error."""

from __future__ import annotations


class RefusedError(Exception):
    """A request that cannot be answered; it becomes the protocol's ``{"error": text}``.

    Parameters
    ----------
    status : int
        The HTTP status, 4xx, or 5xx if the request was right.
    text : str
        What came and what was expected.
    headers : tuple of (bytes, bytes)
        Further headers of the response.
    """

    def __init__(
        self, status: int, text: str, headers: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        super().__init__(text)
        self.status, self.text, self.headers = status, text, headers


def shown(value: object) -> str:
    """Return a value of a request for an error: short, and on one line."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
