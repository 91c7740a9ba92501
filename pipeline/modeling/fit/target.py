"""What a model is fitted to instead of the target, and the way back.

Each transformation rises with the target for a given past, so that a quantile of the
one is the quantile of the other.
"""

from typing import Annotated, TypeAlias

import numpy as np
from msgspec import Meta

from pipeline.config import BaseConfig

Array: TypeAlias = np.ndarray[tuple[int], np.dtype[np.float64]]
Positive = Annotated[float, Meta(gt=0)]


class NoneTarget(BaseConfig, frozen=True, kw_only=True, tag_field="kind", tag="none"):
    """The target itself."""

    def forward(self, y: Array, past: Array) -> Array:  # noqa: ARG002
        """Transform the target."""
        return y

    def backward(self, z: Array, past: Array) -> Array:  # noqa: ARG002
        """Return to the target."""
        return z


class AsinhTarget(BaseConfig, frozen=True, kw_only=True, tag_field="kind", tag="asinh"):
    """``asinh(y / scale)``: dollars below `scale`, logarithms above, any sign [1]_.

    References
    ----------
    .. [1] Burbidge, Magee and Robb, "Alternative transformations to handle extreme
       values of the dependent variable", JASA 83(401), 1988.
    """

    scale: Positive

    def forward(self, y: Array, past: Array) -> Array:  # noqa: ARG002
        """Transform the target."""
        return np.arcsinh(y / self.scale)

    def backward(self, z: Array, past: Array) -> Array:  # noqa: ARG002
        """Return to the target."""
        return np.sinh(z) * self.scale


class DifferenceTarget(
    BaseConfig, frozen=True, kw_only=True, tag_field="kind", tag="difference"
):
    """The change since the past, in units of the target."""

    def forward(self, y: Array, past: Array) -> Array:
        """Transform the target."""
        return y - past

    def backward(self, z: Array, past: Array) -> Array:
        """Return to the target."""
        return past + z


class GrowthTarget(
    BaseConfig, frozen=True, kw_only=True, tag_field="kind", tag="growth"
):
    """The change of ``asinh(y / scale)`` since the past: percent, nearly, above it."""

    scale: Positive

    def forward(self, y: Array, past: Array) -> Array:
        """Transform the target."""
        return np.arcsinh(y / self.scale) - np.arcsinh(past / self.scale)

    def backward(self, z: Array, past: Array) -> Array:
        """Return to the target."""
        return np.sinh(z + np.arcsinh(past / self.scale)) * self.scale


class RelativeTarget(
    BaseConfig, frozen=True, kw_only=True, tag_field="kind", tag="relative"
):
    """The change since the past as a part of it: ``(y - past) / (|past| + scale)``.

    A mean of it is a mean of the target, so that totals are as large as the rows';
    the mean of a growth is nearer to a median.
    """

    scale: Positive

    def forward(self, y: Array, past: Array) -> Array:
        """Transform the target."""
        return (y - past) / (np.abs(past) + self.scale)

    def backward(self, z: Array, past: Array) -> Array:
        """Return to the target."""
        return past + z * (np.abs(past) + self.scale)


TargetConfig: TypeAlias = (
    NoneTarget | AsinhTarget | DifferenceTarget | GrowthTarget | RelativeTarget
)
"""A transformation; its ``kind`` says which."""


class Weight(BaseConfig, frozen=True, kw_only=True):
    """What a training row counts: ``(|past| + scale) ** power``.

    Relative errors of equal weight make a model for the many small rows; with a power
    of 2 they count as they do in units of the target.
    """

    power: Annotated[float, Meta(ge=0)]
    scale: Positive

    def of(self, past: Array) -> Array:
        """Return the weights, of mean 1."""
        weight = (np.abs(past) + self.scale) ** self.power
        return weight / weight.mean()
