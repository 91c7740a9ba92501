"""What the baselines compute: the choices, and the names of the columns."""

from dataclasses import dataclass

KEY = ["facility_id", "apr_drg_code", "year"]
SEVERITIES = [1, 2, 3, 4]
MEANS = [
    "mean_charge",
    "mean_cost",
    "mean_profit",
    "total_mean_profit",
    "total_mean_cost",
]
MEDIANS = [
    "median_charge",
    "median_cost",
    "median_profit",
    "total_median_profit",
    "total_median_cost",
]
LAGGED = [
    "sum_discharges",
    *(f"severity_{severity}_portion" for severity in SEVERITIES),
    *(f"w_{column}" for column in MEANS + MEDIANS),
]
TARGET = "w_total_median_profit"


@dataclass(frozen=True)
class Semantics:
    """The choices on which the origin and this project differ.

    Attributes
    ----------
    reference_periods : int or None
        DRGs are judged rare on the first so many years; None takes all years.
    min_discharges : int
        A DRG stays when its discharges over the reference years exceed this.
    group_lag : int
        Facility-year and year features are those of so many years before.
    by_calendar : bool
        Whether "the year before" is the calendar's, or the row before.
    """

    reference_periods: int | None
    min_discharges: int
    group_lag: int
    by_calendar: bool

    @property
    def suffix(self) -> str:
        """End of the names of the group-level columns."""
        return f"_lag{self.group_lag}" if self.group_lag else ""


ORIGIN = Semantics(
    reference_periods=None, min_discharges=5000, group_lag=0, by_calendar=False
)
DEFAULT = Semantics(
    reference_periods=1, min_discharges=555, group_lag=1, by_calendar=True
)
