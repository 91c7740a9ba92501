"""What is shown of a value: for people, and for programs."""

import json

from pipeline.why.show import show
from tests.why.conftest import Shop
from tests.why.test_back import ask


def test_a_table_leads_from_the_value_to_the_lines(shop: Shop) -> None:
    found, _ = ask(shop, "features", "w_price_lag1", 2)
    lines = show(found, "table", every_row=False).splitlines()
    assert lines[0].startswith(f"features.w_price_lag1 = {found.value!r}  (store=")
    assert any(
        line.startswith("lagged (lag_columns) made w_price_lag1") for line in lines
    )
    assert any(line.startswith("  sales.csv  ") for line in lines)
    assert any(line.startswith("common (drop_rare: category=item") for line in lines)


def test_a_long_list_is_cut_unless_all_is_asked_for(shop: Shop) -> None:
    found, _ = ask(shop, "odd", "behind", 2)
    n_rows = found.sources["source"].height
    brief, long = (show(found, "md", every_row=every) for every in (False, True))
    assert f"... and {n_rows - 20} rows more; `--all`" in brief
    assert "rows more" not in long
    assert long.count("| sales.csv |") == n_rows
    plain = json.loads(show(found, "json", every_row=False))
    source = plain["sources"]["source"]
    assert (source["n_rows"], len(source["rows"])) == (n_rows, 20)
    assert {"file", "line", "Sold"} <= source["rows"][0].keys()
    assert plain["value"] == found.value
