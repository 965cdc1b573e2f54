"""Relations that hold whatever the model, for the density of every engine: no draws are needed.

They catch what is wired wrongly: a rate for a scale, a variance for an sd, the raw for the centred
intercept, a prior on the wrong coefficient, an effect at the wrong level.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers.densities import Values, random_values
from helpers.natural import ENGINES
from scipy import stats

import hierlm as hl
from hierlm import names

LEVELS = list("pqrstu")
# What each engine is asked of. PyMC compiles for seconds, so it is asked of one family at a time.
FAMILIES = {
    "gaussian": "y",
    "poisson": "count",
    "binomial": "p(successes, trials)",
    "student": "y",
}
CASES = [
    ("specification", "gaussian"),
    ("pymc", "gaussian"),
    ("collapsed", "gaussian"),
    ("whitened", "student"),
    ("whitened", "poisson"),
    ("whitened", "binomial"),
]
every_engine = pytest.mark.parametrize(("engine", "family"), CASES)


@pytest.fixture
def data() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    n = 90
    return pd.DataFrame(
        {
            "y": rng.normal(1, 1, size=n),
            "count": rng.poisson(3, n),
            "trials": rng.integers(4, 9, n),
            "successes": rng.integers(0, 4, n),
            "binary": rng.integers(0, 2, n),
            "one": 1,
            "x": rng.normal(2, 1, size=n),
            "f": rng.choice(list("abc"), n),
            "g": rng.choice(LEVELS, n),
            "h": rng.choice(list("klmno"), n),
            "k": rng.integers(0, 4, n),
        }
    )


def build(
    formula: str, data: pd.DataFrame, family: str = "gaussian", priors: Any = None
) -> hl.Model:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", hl.HierlmWarning)  # small random designs
        return hl.Model(formula, data, family=family, priors=priors)


def point(model: hl.Model) -> Values:
    return random_values(model, np.random.default_rng(1))


def reordered(values: Values, here: hl.Model, there: hl.Model, **names_of: Any) -> Values:
    """Return the values as another model orders its coefficients and levels.

    With `names_of`, a function per factor from a level here to its name there.
    """
    beta = dict(zip(here.spec.coefs, values["beta"], strict=True))
    found = dict(values) | {"beta": np.array([beta[coef] for coef in there.spec.coefs])}
    for group in here.spec.groups:
        rename: Callable[[str], str] = names_of.get(group.factor, str)
        effects = names.effects(group.factor)
        rows = dict(zip(map(rename, group.levels.labels), values[effects], strict=True))
        labels = there.spec.group(group.factor).levels.labels
        found[effects] = np.array([rows[label] for label in labels])
    return found


def shapes_of(family: str, data: pd.DataFrame) -> dict[str, str]:
    """Return priors that do not depend on the data for the parameters that a family has beside."""
    shapes = build(f"{FAMILIES[family]} ~ 1", data, family).spec.shapes
    return {shape.name: "gamma(2, 1)" for shape in shapes}


def priors_of(model: hl.Model) -> dict[str, str]:
    return {item.name: str(item.prior) for item in model.spec.priors}


@every_engine
def test_rows_in_another_order_change_nothing(engine: str, family: str, data: pd.DataFrame) -> None:
    formula = f"{FAMILIES[family]} ~ x * f + (x | g) + (1 | h)"
    here = build(formula, data, family)
    there = build(formula, data.sample(frac=1, random_state=1), family)
    assert priors_of(here) == priors_of(there)
    values = point(here)
    density = ENGINES[engine]
    assert density(here, values) == pytest.approx(density(there, values), rel=1e-9)


@every_engine
def test_terms_and_bars_in_another_order_change_only_order(
    engine: str, family: str, data: pd.DataFrame
) -> None:
    y = FAMILIES[family]
    here = build(f"{y} ~ x + f + (1 | g) + (x | h)", data, family)
    there = build(f"{y} ~ (x | h) + f + (1 | g) + x", data, family)
    assert priors_of(here) == priors_of(there)
    values = point(here)
    density = ENGINES[engine]
    moved = density(there, reordered(values, here, there))
    assert density(here, values) == pytest.approx(moved, rel=1e-9)


@every_engine
def test_names_of_levels_change_nothing(engine: str, family: str, data: pd.DataFrame) -> None:
    """Not even where their order is another one."""
    formula = f"{FAMILIES[family]} ~ x + (x | g)"
    backwards = dict(zip(LEVELS, ["z", "y", "x", "w", "v", "u"], strict=True))
    here = build(formula, data, family)
    there = build(formula, data.assign(g=data["g"].map(backwards)), family)
    values = point(here)
    density = ENGINES[engine]
    moved = density(there, reordered(values, here, there, g=backwards.get))
    assert density(here, values) == pytest.approx(moved, rel=1e-9)


@every_engine
def test_a_bar_written_out_is_the_same_model(engine: str, family: str, data: pd.DataFrame) -> None:
    """Uncorrelated effects as two bars, as (x || g), and with a correlation that is fixed at 0."""
    y = FAMILIES[family]
    priors = {"sd": "halfnormal(1)"}
    short = build(f"{y} ~ x + (x || g)", data, family, priors)
    bars = build(f"{y} ~ x + (1 | g) + (0 + x | g)", data, family, priors)
    fixed = build(f"{y} ~ x + (x | g)", data, family, priors | {"cor": 0})
    values, density = point(short), ENGINES[engine]
    expected = density(short, values)
    assert density(bars, values) == pytest.approx(expected, rel=1e-9)
    zero = values | {names.cor("g"): np.zeros(1)}
    assert density(fixed, zero) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("engine", ["specification", "pymc", "whitened"])
def test_bernoulli_is_a_binomial_of_one_trial(engine: str, data: pd.DataFrame) -> None:
    here = build("binary ~ x + (1 | g)", data, "bernoulli")
    there = build("p(binary, one) ~ x + (1 | g)", data, "binomial")
    assert priors_of(here) == priors_of(there)
    values = point(here)
    density = ENGINES[engine]
    assert density(here, values) == pytest.approx(density(there, values), rel=1e-9)


PROPER = {"Intercept": "normal(1, 2)", "beta": "normal(0, 2)", "sd": "halfnormal(1)"}


@every_engine
def test_a_row_of_weight_k_is_k_rows(engine: str, family: str, data: pd.DataFrame) -> None:
    y = FAMILIES[family]
    given = PROPER | shapes_of(family, data)
    here = build(f"{y} ~ x + weights(k) + (1 | g)", data, family, given)
    repeated = data.loc[data.index.repeat(data["k"])]
    there = build(f"{y} ~ x + (1 | g)", repeated, family, given)
    values = point(here)
    density = ENGINES[engine]
    assert density(here, values) == pytest.approx(density(there, values), rel=1e-9)


@every_engine
def test_an_offset_is_a_coefficient_of_one(engine: str, family: str, data: pd.DataFrame) -> None:
    y = FAMILIES[family]
    shapes = shapes_of(family, data)
    here = build(f"{y} ~ f + offset(x) + (1 | g)", data, family, PROPER | shapes)
    there = build(f"{y} ~ f + x + (1 | g)", data, family, PROPER | shapes | {"x": 1})
    values = point(there)
    without = reordered(values, there, here)
    density = ENGINES[engine]
    assert density(here, without) == pytest.approx(density(there, values), rel=1e-9)


RESCALED = [(engine, family) for engine, family in CASES if family in ("gaussian", "student")]


@pytest.mark.parametrize(("engine", "family"), RESCALED)
def test_rescaling_the_response_rescales_everything(
    engine: str, family: str, data: pd.DataFrame
) -> None:
    """Under the default priors, p(c y, c theta) = p(y, theta) / c^k, for k numbers rescaled."""
    c = 1000.0
    here = build("y ~ x + (x | g)", data, family)
    there = build("y ~ x + (x | g)", data.assign(y=c * data["y"]), family)
    values = point(here)
    unscaled = {"nu", names.cor("g")}
    scaled = {key: v if key in unscaled else c * v for key, v in values.items()}
    sizes = {key: np.size(v) for key, v in values.items() if key not in unscaled}
    if engine == "collapsed":  # coefficients and effects are integrated out
        sizes = {key: sizes[key] for key in (names.sd("g"), "sigma")}
    k = len(data) + sum(sizes.values())
    density = ENGINES[engine]
    expected = density(here, values) - k * np.log(c)
    assert density(there, scaled) == pytest.approx(expected, rel=1e-9)


@every_engine
def test_shifting_a_predictor_changes_the_intercept_alone(
    engine: str, family: str, data: pd.DataFrame
) -> None:
    """Under the default priors, whose intercept is at the predictors' means."""
    y = FAMILIES[family]
    here = build(f"{y} ~ x + f + (1 | g)", data, family)
    there = build(f"{y} ~ x + f + (1 | g)", data.assign(x=data["x"] + 50), family)
    assert priors_of(here) == pytest.approx(priors_of(there))
    values = point(here)
    beta = values["beta"].copy()
    beta[here.spec.coefs.index("Intercept")] -= 50 * beta[here.spec.coefs.index("x")]
    density = ENGINES[engine]
    moved = density(there, values | {"beta": beta})
    assert density(here, values) == pytest.approx(moved, rel=1e-8)


@every_engine
def test_treatment_and_sum_coding_are_one_model(
    engine: str, family: str, data: pd.DataFrame
) -> None:
    """With flat priors, up to the determinant of the change of coefficients."""
    y = FAMILIES[family]
    flat = {"beta": "flat()", "Intercept": "flat()", "sd": "halfnormal(1)"}
    flat |= shapes_of(family, data)
    here = build(f"{y} ~ x * f + (1 | g)", data, family, flat)
    there = build(f"{y} ~ x * C(f, Sum) + (1 | g)", data, family, flat)
    X, S = here.design.X, there.design.X
    change = np.linalg.lstsq(S, X, rcond=None)[0]
    assert S @ change == pytest.approx(X)
    values = point(here)
    density = ENGINES[engine]
    expected = density(here, values)
    if engine == "collapsed":  # integrated over other coefficients
        expected += np.linalg.slogdet(change).logabsdet
    moved = density(there, values | {"beta": change @ values["beta"]})
    assert moved == pytest.approx(expected, rel=1e-8)


# Priors far from the data, and their densities as SciPy has them. The parameter, its prior in
# hierlm and in SciPy, and where: a coefficient or an sd of these sizes is absurd for these data.
CONFLICT = {
    "x": ("normal(40, 0.5)", stats.norm(40, 0.5)),
    "f[b]": ("student_t(4, -9, 0.2)", stats.t(4, -9, 0.2)),
    "Intercept": ("normal(-30, 2)", stats.norm(-30, 2)),
    "sd_g[Intercept]": ("exponential(50)", stats.expon(scale=1 / 50)),
    "sd_g[x]": ("gamma(90, 2)", stats.gamma(90, scale=1 / 2)),
    "sigma": ("lognormal(3, 0.1)", stats.lognorm(0.1, scale=np.exp(3))),
    "cor_g": ("lkj(40)", stats.beta(40, 40, loc=-1, scale=2)),
}
MILD = {
    "x": ("normal(0, 1)", stats.norm(0, 1)),
    "f[b]": ("laplace(0, 2)", stats.laplace(0, 2)),
    "Intercept": ("normal(1, 3)", stats.norm(1, 3)),
    "sd_g[Intercept]": ("halfnormal(2)", stats.halfnorm(scale=2)),
    "sd_g[x]": ("inversegamma(3, 2)", stats.invgamma(3, scale=2)),
    "sigma": ("halfcauchy(2)", stats.halfcauchy(scale=2)),
    "cor_g": ("lkj(1)", stats.beta(1, 1, loc=-1, scale=2)),
}


def value_of(model: hl.Model, values: Values, name: str) -> float:
    if name in model.spec.coefs:
        return float(values["beta"][model.spec.coefs.index(name)])
    if name.startswith("sd_g"):
        return float(values["sd_g"][model.spec.group("g").coefs.index(name[5:-1])])
    return float(np.squeeze(values[name]))


@pytest.mark.parametrize("name", CONFLICT)
@pytest.mark.parametrize("engine", ["specification", "pymc", "whitened"])
def test_a_prior_in_conflict_weighs_what_its_density_says(
    engine: str, name: str, data: pd.DataFrame
) -> None:
    family = "gaussian" if name == "sigma" else "poisson"
    formula = f"{FAMILIES[family]} ~ x + f + (x | g)"
    given = {key: prior for key, (prior, _) in MILD.items() if key != "sigma"}
    given |= {"sigma": MILD["sigma"][0]} if family == "gaussian" else {}
    mild = build(formula, data, family, given)
    hard = build(formula, data, family, given | {name: CONFLICT[name][0]})
    values, density = point(mild), ENGINES[engine]
    at = value_of(mild, values, name)
    expected = CONFLICT[name][1].logpdf(at) - MILD[name][1].logpdf(at)
    assert density(hard, values) - density(mild, values) == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("name", CONFLICT)
def test_a_prior_in_conflict_weighs_the_same_when_coefficients_are_integrated_out(
    name: str, data: pd.DataFrame
) -> None:
    formula = "y ~ x + f + (x | g)"
    given = {key: prior for key, (prior, _) in MILD.items()}
    model = build(formula, data, "gaussian", given)
    values = point(model)
    collapsed = ENGINES["collapsed"]

    def density(prior: Any) -> float:
        return collapsed(build(formula, data, "gaussian", given | {name: prior}), values)

    if name not in ("x", "Intercept"):
        at = value_of(model, values, name)
        expected = CONFLICT[name][1].logpdf(at) - MILD[name][1].logpdf(at)
        found = density(CONFLICT[name][0]) - density(MILD[name][0])
        assert found == pytest.approx(expected, rel=1e-7)
        return
    for prior, normal in (CONFLICT[name], MILD[name]):
        expected = averaged(density, normal.mean(), normal.std())
        assert density(prior) == pytest.approx(expected, rel=1e-8)


def averaged(log_density: Callable[[float], float], mean: float, sd: float) -> float:
    """Return the log of the average over N(mean, sd^2) of a density that is normal itself.

    log f(mean + d) = a + b d + c d^2, so its average is exp(a + b^2 / (2 P)) / (sd sqrt(P)), with
    P = 1 / sd^2 - 2 c.
    """
    low, a, high = (log_density(mean + step * sd) for step in (-1, 0, 1))
    b, c = (high - low) / (2 * sd), (high - 2 * a + low) / (2 * sd**2)
    P = 1 / sd**2 - 2 * c
    return a + b**2 / (2 * P) - 0.5 * np.log(sd**2 * P)
