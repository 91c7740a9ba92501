"""What a DRG costs, year by year: a notebook for marimo, `marimo edit drgs.py`."""

import marimo

app = marimo.App()


@app.cell
def _():
    import marimo as mo
    import polars as pl

    from pipeline import Project

    p = Project()
    return mo, p, pl


@app.cell
def _(mo, p):
    drgs = p.query("costliest_drgs")
    names = dict(zip(drgs["apr_drg_description"], drgs["apr_drg_code"], strict=True))
    drg = mo.ui.dropdown(names, value=next(iter(names)), label="DRG")
    drg
    return (drg,)


@app.cell
def _(drg, p, pl):
    costs = (
        p.snapshot("facility_drg_year")
        .filter(pl.col("apr_drg_code") == drg.value)
        .group_by("year")
        .agg(
            pl.col("w_mean_cost").median().alias("median facility, USD"),
            pl.col("facility_id").n_unique().alias("facilities"),
        )
        .sort("year")
        .collect()
    )
    costs
    return (costs,)


@app.cell
def _(costs):
    costs.plot.line(x="year:O", y="median facility, USD")


if __name__ == "__main__":
    app.run()
