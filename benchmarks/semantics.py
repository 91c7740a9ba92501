"""What the baselines compute: the steps, the choices, and the names of the columns.

Each baseline reads the raw CSV (`read_raw`: canonical names; an empty amount is null,
the text ``NA`` a value) and makes the features of it (`features`: key, target and 34
features, sorted by facility, DRG and year). In pandas and NumPy each step is a function
by itself:

- `money_columns` adds six in US dollars, null where an amount they need is null;
- `drop_rare_drgs` keeps the rows of the DRGs that stay, in their order;
- `agg_severities` makes one row per facility, DRG and year, sorted by these, of rows
  with the money columns: discharges, portions of the severities, weighted means and
  medians. Nulls are skipped, and their weights; where all values are null, so is the
  result;
- `ratio_drg_facility_vs_year` adds the number of DRGs of the facility and of the year,
  and their ratio, `yearly_discharge_bin` the fifth of the year's facilities that a
  facility's discharges fall in (0 to 4; null if all totals are equal): of `group_lag`
  years before, null where there is no such year;
- `lag_columns` adds each column's value of the year (or row) before, null where there
  is none; `rolling_columns` the mean of the two before, one value being enough, and
  drops rows in which one of these is null;
- `drop_non_lag_columns` drops the columns of the same year, except the target.
"""

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
    """The choices on which the origin and this project differ."""

    reference_periods: int | None
    """The first so many years tell which DRGs are rare; None takes all years."""
    min_discharges: int
    """A DRG stays when its discharges over the reference years exceed this."""
    group_lag: int
    """Facility-year and year features are those of so many years before."""
    by_calendar: bool
    """Whether "the year before" is the calendar's, or the row before."""

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
