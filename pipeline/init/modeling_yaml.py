"""The texts of ``configs/modeling.yaml`` and of ``configs/models/``."""

from math import floor, log10

from pipeline.init.choose import Panel
from pipeline.init.history import History
from pipeline.init.look import Survey
from pipeline.init.names import Names
from pipeline.init.words import WINDOW, dumped, lines

_ALPHA = {"alpha": {"kind": "float", "low": 0.1, "high": 10000, "log": True}}


def modeling_text(
    panel: Panel, names: Names, history: History, snapshot: str, models: list[str]
) -> str:
    """Write ``configs/modeling.yaml``."""
    target = names.stages[panel.target]
    entity = names.of(panel.entity)
    past = [f"{target}_rolling{WINDOW}", f"{target}_lag1"]
    few = "# part of the outcomes within intervals: few rows tell no more"
    coverage = (
        f"coverage: {history.coverage} {few}\n" if history.coverage != 0.9 else ""
    )
    totals = f"totals: {dumped(entity[:1])}\n" if len(entity) > 1 else ""
    return (
        "# How a model is made and judged; what is not here is as usual, see"
        " `pipeline config`.\n"
        f"panel: {snapshot} # the snapshot that a forecast goes on from\n"
        "horizon: 1 # periods after the last one that are forecast\n"
        f"past: {dumped(past)} # of the target, the best known first\n"
        f"{totals}"
        "# Of the newest periods: so many judge, those before calibrate, those before\n"
        "# are learned from.\n"
        f"split: {dumped(history.split)}\n"
        f"{coverage}"
        "model: lightgbm # a file of configs/models/\n"
        f"baselines: {dumped([name for name in models if name != 'lightgbm'])}\n"
        f"study: {dumped({'trials': 5, 'folds': min(3, history.n_train - 1)})}\n"
        "bootstrap: {samples: 500}\n"
        "# What a champion may be off by; few periods say little, so be strict once you"
        " have more.\n"
        "promotion: {max_bias: 0.1, max_coverage_gap: 0.1, max_slice_loss: 0.5}\n"
    )


def model_texts(survey: Survey, panel: Panel, history: History) -> dict[str, str]:
    """Write the models, by name; all but the first are baselines."""
    rolling = f"${{modeling.target}}_rolling{WINDOW}"
    lag = "${modeling.target}_lag"
    n_rows = panel.n_entities * history.n_train
    leaf = min(50, max(10, n_rows // 100))
    scale = _scale(survey, panel)
    params = {
        "rounds": 100,
        "learning_rate": 0.1,
        "num_leaves": 15,
        "min_data_in_leaf": leaf,
        "feature_fraction": 0.8,
        "lambda_l2": 1,
    }
    space = {
        "rounds": {"kind": "int", "low": 50, "high": 300, "step": 50},
        "learning_rate": {"kind": "float", "low": 0.03, "high": 0.2, "log": True},
        "num_leaves": {"kind": "int", "low": 7, "high": 63, "log": True},
        "min_data_in_leaf": {
            "kind": "int",
            "low": max(2, leaf // 4),
            "high": leaf * 4,
            "log": True,
        },
    }
    relative = {"kind": "relative", "scale": scale}
    known = {"kind": "known_value", "target": {"kind": "none"}}
    texts = {
        "lightgbm": "# Boosted trees on the change since the past, as a part of it.\n"
        + lines({"kind": "lightgbm", "target": relative})
        + lines({"weight": {"power": 0.5, "scale": scale}})
        + f"params:\n{lines(params, 2)}"
        + f"space: # what `pipeline tune` searches\n{lines(space, 2)}",
        "last_value": "# The last known value.\n"
        + lines({**known, "params": {"columns": [f"{lag}1", rolling]}}),
        "rolling_mean": "# The mean of the last periods.\n"
        + lines({**known, "params": {"columns": [rolling]}}),
    }
    if history.season:
        texts["seasonal_naive"] = "# The value a season ago.\n" + lines(
            {**known, "params": {"columns": [f"{lag}{history.season}", rolling]}}
        )
    texts["ridge"] = (
        "# Linear regression on standardized features, a null as the training median.\n"
        + lines({"kind": "ridge", "target": {"kind": "none"}, "params": {"alpha": 10}})
        + f"space:\n{lines(_ALPHA, 2)}"
    )
    return texts


def _scale(survey: Survey, panel: Panel) -> float:
    """Choose what is small for the target: half of its usual size, in one digit."""
    names = [n for n in survey.head.columns if n == panel.target]
    names = names or [n for wide in survey.wide for n in wide.times]
    sizes = survey.head.select(names).to_numpy().ravel()
    sizes = abs(sizes[(sizes == sizes) & (sizes != 0)].astype(float))
    usual = float(sorted(sizes)[len(sizes) // 2]) / 2 if len(sizes) else 1.0
    digits = floor(log10(usual))
    scale = round(usual / 10**digits) * 10.0**digits
    return int(scale) if scale >= 1 else float(f"{scale:.1g}")
