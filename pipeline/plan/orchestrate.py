"""How the tasks of a project are run by other programs, as the configuration says."""

from typing import Annotated

from msgspec import Meta, field

from pipeline.config import BaseConfig

SECTION = "orchestrate"

_CRON = r"^\S+( \S+){4}$"

_Count = Annotated[int, Meta(ge=0, le=100)]
_Seconds = Annotated[int, Meta(ge=1)]


class TaskSettings(BaseConfig, frozen=True, kw_only=True):
    """What ``orchestrate.tasks`` says of one task; what is null is that of all."""

    retries: _Count | None = None
    retry_delay_s: _Seconds | None = None
    timeout_s: _Seconds | None = None


class Orchestrate(BaseConfig, frozen=True, kw_only=True):
    """The section ``orchestrate`` of ``configs/pipeline.yaml``."""

    name: Annotated[
        Annotated[str, Meta(pattern="^[a-zA-Z][a-zA-Z0-9_]*$")] | None,
        Meta(description="a name of letters, digits and underscores, or null"),
    ] = None
    """Of the whole; None is ``modeling.name``, or ``pipeline`` without models."""
    schedule: Annotated[
        Annotated[str, Meta(pattern=_CRON)] | None,
        Meta(description="five fields of cron, such as 0 6 * * *, in UTC, or null"),
    ] = None
    """None: when somebody says so."""
    retries: _Count = 2
    retry_delay_s: _Seconds = 60
    timeout_s: _Seconds = 7200
    """Of one try."""
    parallel: Annotated[int, Meta(ge=1)] = 2
    """Tasks at once, at most."""
    threads: Annotated[int, Meta(ge=1)] | None = None
    """That a task computes with; None is as many as there are cores."""
    tasks: dict[str, TaskSettings] = field(default_factory=dict[str, TaskSettings])
    """By task, what is otherwise for it."""
