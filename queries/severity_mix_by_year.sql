-- question: How does the mix of severities shift from year to year?

-- Shares are of all discharges of the year; those of severity 0, not applicable, are in
-- the total but not in the mean, which runs from 1 minor to 4 extreme.
WITH by_severity AS (
    SELECT
        year,
        apr_severity_of_illness_code AS severity,
        sum(discharges) AS n_discharges,
        100 * n_discharges / sum(sum(discharges)) OVER (PARTITION BY year) AS share_pct
    FROM discharges
    GROUP BY year, severity
)

SELECT
    year,
    sum(n_discharges) AS n_discharges,
    round(sum(share_pct) FILTER (severity = 1), 2) AS minor_pct,
    round(sum(share_pct) FILTER (severity = 2), 2) AS moderate_pct,
    round(sum(share_pct) FILTER (severity = 3), 2) AS major_pct,
    round(sum(share_pct) FILTER (severity = 4), 2) AS extreme_pct,
    round(
        sum(severity * share_pct) / sum(share_pct) FILTER (severity > 0), 3
    ) AS mean_severity
FROM by_severity
GROUP BY year
ORDER BY year
