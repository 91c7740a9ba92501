from pipeline.pages.facts import Facts
from pipeline.pages.plan import plan


def test_stages_stand_below_their_inputs_with_rows_and_columns(facts: Facts) -> None:
    [page] = plan(facts)
    boxes, places = page.values["boxes"], page.values["places"]
    for name, box in boxes.items():
        assert all(places[given] < places[name] for given in box.inputs)
    assert [*boxes] == ["source", *(stage.name for stage in facts.run.stages)]
    assert boxes["lag_columns"].added == 2
    assert boxes["drgs"].dropped > 10
    assert boxes["lag_columns"].purpose.startswith("Add the value")
    assert boxes["source"].n_rows == boxes["sanitize_column_names"].n_rows
    assert boxes["drop_rare_drgs"].n_rows < boxes["sanitize_column_names"].n_rows
