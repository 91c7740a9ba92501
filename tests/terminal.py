"""A terminal, and what someone sees on it."""

import fcntl
import os
import pty
import struct
import termios
import unicodedata
from contextlib import suppress


def resize(file: int, n_columns: int) -> None:
    """Give a terminal so many columns."""
    fcntl.ioctl(file, termios.TIOCSWINSZ, struct.pack("HHHH", 24, n_columns, 0, 0))


class Terminal:
    """A terminal of so many columns; `stream` writes to it, `read` gives all of it."""

    def __init__(self, n_columns: int) -> None:
        self.n_columns = n_columns
        self.file, theirs = pty.openpty()
        resize(self.file, n_columns)
        os.set_blocking(self.file, False)
        self.stream = os.fdopen(theirs, "w", encoding="utf-8")
        self._written = b""

    def read(self) -> str:
        with suppress(BlockingIOError):
            while block := os.read(self.file, 65536):
                self._written += block
        return self._written.decode()

    def seen(self) -> list[str]:
        return screen(self.read(), self.n_columns)

    def close(self) -> None:
        self.stream.close()
        with suppress(OSError):  # a test has closed it
            os.close(self.file)


def screen(text: str, n_columns: int) -> list[str]:
    """Show what a terminal does that knows carriage returns and no escapes.

    What is wider than it goes on in the next row, where no carriage return leads back.
    """
    rows, at = [[""] * n_columns], 0
    for c in text:
        if c == "\n":
            rows.append([""] * n_columns)
        elif c == "\r":
            at = 0
        else:
            width = 2 if unicodedata.east_asian_width(c) in "WF" else 1
            if at + width > n_columns:
                rows.append([""] * n_columns)
                at = 0
            rows[-1][at] = c
            at += width
    return ["".join(row).rstrip() for row in rows]
