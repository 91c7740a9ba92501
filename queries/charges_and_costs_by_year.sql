-- question: Do charges grow faster than costs?

-- Per discharge, over the whole state, in US dollars of each year. Growth is from the
-- year in the row above, which need not be the year before; years_since says so.
WITH by_year AS (
    SELECT
        year,
        sum(discharges) AS n_discharges,
        sum(mean_charge * discharges) / n_discharges AS charge,
        sum(total_mean_cost) / n_discharges AS cost
    FROM discharges
    GROUP BY year
)

SELECT
    year,
    year - lag(year) OVER by_time AS years_since,
    n_discharges,
    round(charge, 2) AS charge_per_discharge_usd,
    round(cost, 2) AS cost_per_discharge_usd,
    round(100 * (charge / lag(charge) OVER by_time - 1), 1) AS charge_growth_pct,
    round(100 * (cost / lag(cost) OVER by_time - 1), 1) AS cost_growth_pct,
    round(cost / nullif(charge, 0), 3) AS cost_to_charge
FROM by_year
WINDOW by_time AS (ORDER BY year)
ORDER BY year
