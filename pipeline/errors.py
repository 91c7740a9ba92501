"""Errors a user can act on.

The first line of a message names the place and the fault, in lower case; then what
was found against what was expected; then a line ``hint:``. The command line prints
them without a traceback; any other exception is a fault of this project.
"""

import difflib
from collections.abc import Iterable

_SHOWN = 6
"""Names, at most, in a list of what was found; one more is not worth a cut."""


class PipelineError(Exception):
    """Base of every error this project raises on purpose."""


class ConfigError(PipelineError):
    """A configuration file or an override is wrong."""


class SourceError(PipelineError):
    """A source cannot be read, or holds too many bad rows."""


class SchemaError(PipelineError):
    """A stage or a contract asks for columns that are not there."""


class SnapshotError(PipelineError):
    """A snapshot or the catalog is missing, damaged, in use or not as it was."""


class ContractError(PipelineError):
    """The rows of a snapshot break its contract."""


class QueryError(PipelineError):
    """A query or one of its parameters is wrong."""


class ModelError(PipelineError):
    """A model cannot be trained, evaluated or used on what it is given."""


class ClusterError(PipelineError):
    """A cluster cannot be used, or has failed."""


class LineageError(PipelineError):
    """A question about the lineage names what is not in the plan."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which known name was probably meant: ``; did you mean 'x'?``, or nothing."""
    spelt = {other.casefold(): other for other in known}
    match = difflib.get_close_matches(name.casefold(), spelt, n=1)
    return f"; did you mean '{spelt[match[0]]}'?" if match else ""


def some(names: Iterable[str]) -> str:
    """List names, of many the first few and how many more there are."""
    listed = list(names)
    more = len(listed) - _SHOWN
    shown = ", ".join(listed[:_SHOWN] if more > 1 else listed)
    return f"{shown} and {more} more" if more > 1 else shown
