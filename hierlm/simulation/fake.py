"""Fake data: a table of predictors and groups, and a response drawn from a model that is known.

The parameters are given in the words of `priors`: a number is the value, a prior is drawn from.
That makes a model all of whose priors are given, and the table is one draw from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hierlm import names
from hierlm.design import Design, Dropped, Encoding
from hierlm.errors import DataError, FamilyError, FormulaError, PriorError
from hierlm.families import Family, get_family
from hierlm.formula import Formula, Name, parse, unparse
from hierlm.priors import Parameter, PriorLike, Scale, resolve
from hierlm.priors.parameters import coefficients, group_parameters, shapes
from hierlm.seeds import generator
from hierlm.simulation.priors import draw_parameters
from hierlm.simulation.responses import check_weights, draw_responses, new_effects
from hierlm.sources import read_columns
from hierlm.spec import ModelSpec, Parameterization

Array = NDArray[np.float64]

_RECORDED = 10_000  # levels of a factor whose effects go along with the table


def simulate(
    formula: str,
    data: Any,
    params: Mapping[str, Any],
    *,
    family: str | Family = "gaussian",
    link: str | None = None,
    seed: int | np.random.Generator | None = None,
    functions: Mapping[str, Callable[..., Any]] | None = None,
) -> pd.DataFrame:
    """Draw a response from a model with known parameters: to teach, and to plan a study.

    Parameters
    ----------
    formula : str
        Its response is a plain column, which `data` need not have; it is overwritten.
    data : data frame of any kind, dict of columns, or path to a CSV or Parquet file
        Predictors and grouping factors.
    params : dict
        A value for every parameter, by name or class as in `priors`: ``{"Intercept": 250,
        "Days": 10, "sd_Subject": [25, 6], "cor_Subject": 0.1, "sigma": 25}``. Text such as
        ``"normal(10, 2)"`` is drawn from. A factor's sds may be a list; a pair of coefficients is
        ``"cor_g[a, b]"``; ``"r_g"``, an array of shape (levels, coefficients), gives the effects
        themselves, which are drawn from N(0, Sigma) otherwise.
    family, link, functions
        As in `Model`.
    seed : int or numpy.random.Generator, optional

    Returns
    -------
    pandas.DataFrame
        The complete rows, the columns of the formula. ``frame.attrs["parameters"]`` has what was
        used, by name, with the effects of factors of up to 10,000 levels.

    Raises
    ------
    FormulaError, DataError, FamilyError
        As `Model` does; and if the response is no plain column, rows have weights, or the
        parameters lead to a response that is not finite.
    PriorError
        If a parameter is missing or unknown, or the correlations of a factor are impossible.

    Examples
    --------
    Ten pupils in each of twenty schools, half of the schools with a new curriculum:

    >>> import numpy as np
    >>> plan = {"school": np.repeat(np.arange(20), 10), "new": np.repeat([0, 1], 100)}
    >>> fake = simulate("score ~ new + (1 | school)", plan,
    ...                 {"Intercept": 50, "new": 5, "sd_school": 4, "sigma": 10}, seed=1)
    >>> fake.shape
    (200, 3)
    >>> fake.attrs["parameters"]["sd_school[Intercept]"]
    4.0
    """
    parsed = parse(formula, functions=tuple(functions or ()))
    response = _response_column(parsed)
    encoding, design, frame, dropped = Encoding.learn(
        parsed, _with_placeholder(parsed, data, response), functions
    )
    check_weights(design)
    resolved = get_family(family, link)
    if (design.trials is not None) != (resolved.response == "trials"):
        raise FormulaError(
            f"family {resolved.name} {'needs' if design.trials is None else 'takes no'} trials.",
            parsed.text,
            hint="Write p(successes, trials) on the left with family='binomial'.",
        )
    exact, given = _split(encoding, params)
    spec = _specify(encoding, resolved, given, design.n, dropped)
    rng = generator(seed)
    values = draw_parameters(spec, 1, rng)
    _set_parameters(spec, values, exact)
    values = new_effects(spec, values, rng)
    _set_effects(spec, values, exact)
    y = draw_responses(spec, design, values, rng)[0]
    _check_drawn(spec, design, y)
    frame = frame.assign(**{response: y})
    frame.attrs["parameters"] = _flat(spec, values)
    return frame


def _check_drawn(spec: ModelSpec, design: Design, y: Array) -> None:
    try:
        if not np.isfinite(y).all():
            raise FamilyError(f"{int((~np.isfinite(y)).sum())} of {len(y)} values are not finite.")
        spec.family.check_response(y, design.trials)
    except FamilyError as error:
        raise DataError(
            f"these parameters lead to a response that family {spec.family.name} cannot hold: "
            f"{error}\n  Give smaller ones: the predictor goes through the inverse of the "
            f"{spec.family.link.name} link."
        ) from error


def _response_column(formula: Formula) -> str:
    node = formula.response.expression
    if isinstance(node, Name):
        return node.name
    raise FormulaError(
        f"the response {unparse(node)!r} is computed, and a response is drawn into a column.",
        formula.text,
        *node.span,
        "Write a plain column; for the log of a response use family='lognormal'.",
    )


def _with_placeholder(formula: Formula, data: Any, response: str) -> pd.DataFrame:
    """Return the columns of the formula, zeros for the response, which has no part in it."""
    others = [name for name in formula.columns if name != response]
    frame = read_columns(data, others or None)
    if response not in others:
        frame = frame.drop(columns=response, errors="ignore")
        frame.insert(0, response, np.zeros(len(frame)))
    return frame[list(formula.columns)]


def _split(
    encoding: Encoding, params: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, PriorLike]]:
    """Return what no prior can say (effects, zero sds, single correlations), and the rest."""
    if not isinstance(params, Mapping):
        raise PriorError(
            f"params are a dict of parameter and value; came {params!r}.\n"
            "  Write params={'Intercept': 250, 'sigma': 25}."
        )
    exact: dict[str, Any] = {}
    given: dict[str, Any] = dict(params)
    sds: set[str] = set()
    for group in encoding.groups:
        sd, cor, effects = (f(group.factor) for f in (names.sd, names.cor, names.effects))
        if effects in given:
            exact[effects] = given.pop(effects)
        if isinstance(given.get(sd), Sequence | np.ndarray) and not isinstance(given[sd], str):
            values = given.pop(sd)
            _check_length(sd, values, group.coefs)
            given |= {names.element(sd, c): v for c, v in zip(group.coefs, values, strict=True)}
        for k, coef in enumerate(group.coefs):
            spellings = [names.element(sd, coef), sd, names.SD]  # the most specific one counts
            sds.update(spellings)
            counts = next((name for name in spellings if name in given), None)
            if counts is not None and _is_zero(given[counts]):
                exact.setdefault(sd, {})[k] = 0.0
        pairs = [names.pair(group.coefs[i], group.coefs[j]) for i, j in group.covariance.pairs]
        single = {names.element(cor, pair): k for k, pair in enumerate(pairs)}
        found = {k: _number(name, given.pop(name)) for name, k in single.items() if name in given}
        if found:
            exact[cor] = found
            if names.COR not in given:
                given.setdefault(cor, 0.0)
    given |= {name: 1.0 for name in sds if _is_zero(given.get(name))}  # stands in: sds are positive
    return exact, {name: _plain(value) for name, value in given.items()}


def _is_zero(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and float(value) == 0


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise PriorError(
            f"{name!r}, the correlation of one pair, is a number; came {value!r}.\n"
            f"  A prior is for all pairs of a factor: {name.partition('[')[0]!r}."
        )
    return float(value)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _check_length(name: str, values: Sequence[Any], coefs: tuple[str, ...]) -> None:
    if len(values) != len(coefs):
        raise PriorError(
            f"{name!r} has {len(coefs)} elements ({', '.join(coefs)}); came {len(values)}."
        )


def _specify(
    encoding: Encoding, family: Family, given: Mapping[str, PriorLike], n: int, dropped: Dropped
) -> ModelSpec:
    unit = Scale(0.0, 1.0, "")
    common = encoding.common
    parameters: list[Parameter] = [*coefficients(common.names, common.sizes, common.rms, unit)]
    for group in encoding.groups:
        sizes = [size for columns, _ in group.bars for size in columns.sizes]
        parameters += group_parameters(group.factor, group.coefs, sizes, group.covariance, unit)
    known = {"sigma"} if encoding.values.se is not None else set()
    parameters += [item for item in shapes(family, 1.0) if item.name not in known]
    priors = resolve(tuple(parameters), given)
    missing = [item.name for item in priors if item.is_default]
    if missing:
        wanted = [names.INTERCEPT if m == names.INTERCEPT_CENTERED else m for m in missing]
        example = "normal(0, 1)" if wanted[0] in encoding.common.names else "halfnormal(1)"
        example = "LKJ(2)" if wanted[0].startswith(names.cor("")) else example
        raise PriorError(
            f"the parameters {', '.join(wanted)} have no value.\n"
            f"  Give each in params, as in {{{wanted[0]!r}: 1.0}}, or a prior to draw it from, "
            f"as in {{{wanted[0]!r}: {example!r}}}."
        )
    centering: dict[str, Parameterization] = {g.factor: "noncentered" for g in encoding.groups}
    return ModelSpec(encoding, family, priors, centering, n, dropped, ())


def _set_parameters(spec: ModelSpec, values: dict[str, Array], exact: Mapping[str, Any]) -> None:
    """Put zero sds and single correlations in place of what stood in for them."""
    for group in spec.groups:
        for name in (names.sd(group.factor), names.cor(group.factor)):
            for k, value in exact.get(name, {}).items():
                values[name][0, k] = value
        R = group.covariance.correlation(values.get(names.cor(group.factor), np.zeros((1, 0)))[0])
        if np.abs(R).max() > 1 or np.linalg.eigvalsh(R)[0] <= 0:
            raise PriorError(
                f"the correlations given for {group.factor!r} are not possible together: their "
                "matrix is not positive definite.\n  Give weaker ones, all between -1 and 1."
            )


def _set_effects(spec: ModelSpec, values: dict[str, Array], exact: Mapping[str, Any]) -> None:
    """Put the effects that are given in place of those drawn."""
    for group in spec.groups:
        name = names.effects(group.factor)
        if name not in exact:
            continue
        shape = (len(group.levels.labels), len(group.coefs))
        wanted = f"{name!r} is an array of shape {shape}, levels by coefficients"
        try:
            b = np.asarray(exact[name], dtype=float)
        except (TypeError, ValueError) as error:
            raise DataError(f"{wanted}; came what is no array of numbers: {error}.") from error
        if b.shape != shape:
            raise DataError(f"{wanted}; came {b.shape}.")
        if not np.isfinite(b).all():
            raise DataError(f"{name!r} has values that are not finite.")
        values[name] = b[None]


def _flat(spec: ModelSpec, values: Mapping[str, Array]) -> dict[str, float]:
    """Return the parameters used, one number each, as reports name them."""
    found = {name: float(v) for name, v in zip(spec.coefs, values[names.BETA][0], strict=True)}
    for group in spec.groups:
        sd, cor, effects = (f(group.factor) for f in (names.sd, names.cor, names.effects))
        for k, coef in enumerate(group.coefs):
            found[names.element(sd, coef)] = float(values[sd][0, k])
        for k, (i, j) in enumerate(group.covariance.pairs):
            pair = names.pair(group.coefs[i], group.coefs[j])
            found[names.element(cor, pair)] = float(values[cor][0, k])
        if len(group.levels.labels) <= _RECORDED:
            for level, row in zip(group.levels.labels, values[effects][0], strict=True):
                for coef, value in zip(group.coefs, row, strict=True):
                    found[names.element(effects, f"{level}, {coef}")] = float(value)
    return found | {shape.name: float(values[shape.name][0]) for shape in spec.shapes}
