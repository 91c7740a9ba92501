"""What a server allows, as the configuration says."""

from typing import Annotated

from msgspec import Meta

from pipeline.config import BaseConfig


class Serving(BaseConfig, frozen=True, kw_only=True):
    """The section ``serving`` of ``configs/pipeline.yaml``."""

    max_body_mib: Annotated[float, Meta(gt=0)] = 16
    """Of a request; more is refused with status 413."""
    max_rows: Annotated[int, Meta(ge=1)] = 200_000
    """Of a request; a small file may hold many."""
    max_explained: Annotated[int, Meta(ge=1)] = 1_000
    """Rows of a request that is to be explained."""
    max_waiting: Annotated[int, Meta(ge=1)] = 1_000
    """Requests at once; more are refused with status 503."""
    timeout_s: Annotated[float, Meta(gt=0)] = 60
    """For a request, with the time that it waits; then it ends with status 503."""
    token: str | None = None
    """What a client must send as ``Authorization: Bearer``; a secret, so written as
    ``${oc.env:NAME}``. Without one, anyone may ask who reaches the port."""
