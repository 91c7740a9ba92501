"""What was found out last of each source: a run looks at its files more than once."""

from typing import TypeVar

_Found = TypeVar("_Found")

_MOST = 8
"""Sources that are remembered; a folder of files to score may have thousands."""


class Lasts(dict[str, _Found]):
    """What was found of the sources that were looked at last, by what is said of them.

    Whoever looks it up has to see whether the files are still as they were.
    """

    def __setitem__(self, how: str, found: _Found) -> None:
        """Remember what was found, and forget the source that was first."""
        self.pop(how, None)
        super().__setitem__(how, found)
        for first in [*self][:-_MOST]:  # threads may do so at once
            self.pop(first, None)
