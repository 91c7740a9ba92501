from collections.abc import Callable

import pytest

from pipeline import sources
from pipeline.contracts.checks import compile_contract, count_failures, outcomes_of
from pipeline.engine.one_pass import snapshot_frames
from pipeline.plan.compose import compose
from pipeline.plan.settings import Settings
from tests.conftest import ROOT, without_added


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("lag_columns.periods=2",),
        ("rolling_columns.window=3", "rolling_columns.drop_nulls=false"),
        ("drop_rare_drgs.min_total=999999999",),
        ("lag_columns.by=row",),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("profile", [None, "origin"])
def test_contracts_hold_and_outlive_a_change_of_configuration(
    shipped_settings: Callable[..., Settings],
    overrides: tuple[str, ...],
    profile: str | None,
) -> None:
    words = (*without_added(), *overrides) if overrides else ()
    settings = shipped_settings(*words, profile=profile)
    rows, _ = sources.scan(settings.source, settings.root).frames()
    plan = compose(rows, settings.stages)
    frames = snapshot_frames(plan)
    checks = sorted((ROOT / "configs" / "checks").glob("*.yaml"))
    assert sorted(frames) == [path.stem for path in checks]
    for name, lf in frames.items():
        node = plan.snapshots[name]
        compiled = compile_contract(
            settings.contracts[name], node.schema, node.stage.key
        )
        counts = count_failures(lf, compiled).collect(engine="streaming")
        assert [
            outcome
            for outcome in outcomes_of(compiled, counts)
            if not outcome.passed and outcome.severity == "error"
        ] == []
