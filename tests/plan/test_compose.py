"""Stages are composed and checked before data is read."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import polars as pl
import pytest

from pipeline.errors import SchemaError
from pipeline.plan import compose as compose_module
from pipeline.plan import settings as settings_module
from pipeline.plan.compose import compose, digest_of
from pipeline.plan.settings import Settings, Stage
from pipeline.run.run import check
from pipeline.transforms import Transform, load_transform
from pipeline.transforms.product import Config as Product
from tests.conftest import ROOT

PRODUCT = load_transform("product")


def test_missing_column_names_stage_file_and_what_there_was(
    golden_settings: Callable[..., Settings],
) -> None:
    settings = golden_settings("lag_columns.columns=[sum_discharge]")
    with pytest.raises(SchemaError) as caught:
        check(settings)
    message = str(caught.value)
    assert "stage 'lag_columns' (pipeline/transforms/lag_columns.py)" in message
    assert "did you mean 'sum_discharges'?" in message
    assert "found in yearly_discharge_bin: year, facility_id" in message
    assert "pipeline/transforms/lag_columns.yaml" in message
    assert "\0" not in message


def test_missing_key_column_is_found_before_data_is_read(
    golden_settings: Callable[..., Settings],
) -> None:
    settings = golden_settings("stages.drgs.key=[apr_drg]", "source.path=absent.csv")
    with pytest.raises(SchemaError) as caught:
        check(settings)
    first, found, _ = str(caught.value).splitlines()
    assert first.startswith("stage 'drgs' (pipeline/transforms/latest_values.py): ")
    assert first.endswith("has no key ['apr_drg']; did you mean 'apr_drg_code'?")
    # What the stage makes, not what it is given.
    assert found == "found in drgs: apr_drg_code, apr_drg_description"


def test_wrong_dtype_is_found_before_data_is_read(
    golden_settings: Callable[..., Settings],
) -> None:
    settings = golden_settings("columns.Discharges=money")
    with pytest.raises(
        SchemaError, match=r"stage 'agg_severities'.*expected an integer"
    ):
        check(settings)


def test_time_that_is_text_is_found_before_data_is_read(
    golden_settings: Callable[..., Settings],
) -> None:
    with pytest.raises(SchemaError) as caught:
        check(golden_settings("columns.Year=label"))
    message = str(caught.value)
    assert "stage 'drgs' (pipeline/transforms/latest_values.py)" in message
    assert "its time 'year' is text, expected whole numbers, such as years," in message


def test_what_sql_would_show_otherwise_is_found_before_data_is_read(
    golden_settings: Callable[..., Settings],
) -> None:
    with pytest.raises(SchemaError) as caught:
        check(golden_settings("total_mean_cost.column=YEAR"))
    message = str(caught.value)
    assert "snapshot 'discharges' cannot be published as it is\n" in message
    assert "  'year' and 'YEAR' differ in case only" in message


def test_the_same_configuration_gives_the_same_plan_in_every_process() -> None:
    code = (
        "from pipeline.run.run import check\n"
        "from pipeline.files.local import find_root\n"
        "from pipeline.plan.settings import load_settings\n"
        "plan = check(load_settings(find_root()))\n"
        "print([node.digest for node in plan.nodes.values()])\n"
    )
    hashes = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in (1, 2)
    }
    assert len(hashes) == 1


def test_transformation_that_reads_a_file_is_refused(tmp_path: Path) -> None:
    """Its content would not be part of the fingerprint."""
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(SchemaError, match="reads a file"):
        digest_of(pl.scan_parquet(tmp_path / "a.parquet"), PRODUCT)


def test_python_functions_in_a_plan_count_with_all_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What such a function calls does not show in the plan."""
    lf = pl.LazyFrame({"a": [1]}).map_batches(lambda df: df)
    before = digest_of(lf, PRODUCT)
    monkeypatch.setattr(
        compose_module, "code_hashes", lambda _: {"helper.py": "changed"}
    )
    assert digest_of(lf, PRODUCT) != before
    plain = pl.LazyFrame({"a": [1]}).select(pl.col("a") + 1)
    monkeypatch.undo()
    same = digest_of(plain, PRODUCT)
    monkeypatch.setattr(
        compose_module, "code_hashes", lambda _: {"helper.py": "changed"}
    )
    assert digest_of(plain, PRODUCT) == same


@pytest.fixture
def scaled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Hash a plan that is given a function of a helper of some code, by its name."""
    (tmp_path / "transforms").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    helper = f"of_{tmp_path.name}"
    text = f"""
        import polars as pl
        from pipeline.config import BaseConfig
        from {helper} import scale

        class Config(BaseConfig, frozen=True):
            pass

        def scaled(lf, config):
            return lf.map_batches(scale, schema=lf.collect_schema())
    """
    (tmp_path / "transforms" / "scaled.py").write_text(dedent(text))

    def digest(code: str) -> str:
        (tmp_path / f"{helper}.py").write_text(code)
        transform = load_transform("scaled", tmp_path)
        lf = transform.apply(pl.LazyFrame({"a": [1]}), transform.config())
        return digest_of(lf, transform)

    return digest


def test_code_that_a_function_given_by_its_name_reaches_counts(
    scaled: Callable[[str], str],
) -> None:
    """It may stand in the project's root; the plan holds no more than its name."""
    texts = [f"def scale(df): return df * {factor}" for factor in (2, 3, 2)]
    first, other, again = (scaled(text) for text in texts)
    assert first == again != other


@pytest.mark.parametrize(
    "importing",
    [
        'importlib.import_module("_".join(["made", "up"]))',
        'named("_".join(["made", "up"]))',
        '(importlib.import_module)("_".join(["made", "up"]))',
        'importlib.util.spec_from_file_location("up", "made_up.py")',
        'exec(open("made_up.py").read())',
    ],
    ids=["name", "alias", "function", "path", "exec"],
)
def test_a_function_whose_code_cannot_be_followed_is_refused(
    scaled: Callable[[str], str], importing: str
) -> None:
    code = f"""
        import importlib
        from importlib import import_module as {"named" if "named" in importing else ""}
        def scale(df):
            return df, {importing}
    """
    if "named" not in importing:
        code = code.replace(" as ", "")
    with pytest.raises(SchemaError, match=r"\.py, line [35]"):
        scaled(dedent(code))


def test_digest_tells_inputs_of_one_schema_apart() -> None:
    def digest(order: list[int]) -> str:
        frames = [pl.LazyFrame(schema={"a": pl.Int64}).slice(i) for i in range(2)]
        lf = pl.concat([frames[i] for i in order])
        return digest_of(lf, PRODUCT)

    assert digest([0, 1]) != digest([1, 0])


def test_digest_is_of_the_stage_alone() -> None:
    def digest(rows: int) -> str:
        config = Product(factor="a", by="b", column="c")
        stage = Stage("c", PRODUCT, ("source",), config)
        source = pl.LazyFrame({"a": [1.0] * rows, "b": [1] * rows})
        return compose(source, [stage]).nodes["c"].digest

    assert digest(1) == digest(5)


def with_product(
    apply: Callable[..., pl.LazyFrame],
) -> Callable[[str, object], Transform]:
    """Load transformations, but with another one of this name."""

    def load(name: str, _: object) -> Transform:
        loaded = load_transform(name)
        return replace(loaded, apply=apply) if name == "product" else loaded

    return load


def test_transformation_that_collects_is_refused_and_named(
    golden_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it finds in the rows would not be part of the fingerprint."""

    def largest(lf: pl.LazyFrame, config: Product) -> pl.LazyFrame:
        value = lf.select(pl.col(config.factor).max()).collect().item()
        return lf.with_columns(pl.lit(value).alias(config.column))

    monkeypatch.setattr(settings_module, "load_transform", with_product(largest))
    with pytest.raises(SchemaError, match=r"stage 'total_mean_profit'.*collects rows"):
        check(golden_settings())


def test_mistake_in_a_transformation_names_the_stage_and_the_line(
    golden_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(lf: pl.LazyFrame, config: Product) -> pl.LazyFrame:
        return lf.with_columns(pl.col(config.facto))  # pyright: ignore

    monkeypatch.setattr(settings_module, "load_transform", with_product(wrong))
    with pytest.raises(SchemaError) as caught:
        check(golden_settings())
    message = str(caught.value)
    assert "stage 'total_mean_profit' (pipeline/transforms/product.py)" in message
    assert "AttributeError: 'Config' object has no attribute 'facto'" in message
    assert "line " in message
