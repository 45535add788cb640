"""Choices drawn from bytes, so that to change the bytes is to change a choice."""


class Draws:
    """Reads choices from bytes, one a byte or eight; zeros once they are used up."""

    def __init__(self, data):
        self._data, self._at = data, 0

    def bytes(self, n):
        part = self._data[self._at : self._at + n]
        self._at += n
        return part.ljust(n, b"\0")

    def number(self, low, high):
        """Return a whole number from `low` to `high`."""
        size = 1 if high - low < 256 else 8
        return low + int.from_bytes(self.bytes(size), "little") % (high - low + 1)

    def choice(self, options):
        return options[self.number(0, len(options) - 1)]

    def coin(self):
        return self.bytes(1)[0] & 1 == 1
