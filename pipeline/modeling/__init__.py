"""From the snapshot `features` to a model one can defend, and to predictions.

At the top, a file per command: `tune`, `train`, `evaluate`, `promote`, `forecast`,
`score`. A room imports only those below it:

- `monitor`: what became of forecasts, and of what they are made;
- `registry`: versions of the model, packed as bundles, used in a process of their own;
- `bundle`: a model that can travel, from raw rows to the next period's predictions;
- `card`: the page that says what a model is;
- `audit`: proof that no feature knows its future, before anything is learned;
- `tracking`: what MLflow is told;
- `judge`: how good a model is, and which of two is better.

These stand on `training`, `predictor`, `occurrence`, `horizon`, `data`, `records` and
`settings`, at the top as well, and these on

- `study`: the search for parameters;
- `models`: a file per kind of model;
- `fit`: what every kind needs.
"""
