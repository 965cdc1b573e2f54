"""New groups, learnt from a few rows of theirs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from helpers.fits import synthetic_fit
from helpers.tables import table
from scipy import stats

import hierlm as hl
from hierlm.families import get_family
from hierlm.prediction.laplace import Rows, sample_effects

FORMULA = "Reaction ~ Days + (Days | Subject)"
VISITS = {"Reaction": [330.0, 350.0, 345.0], "Days": [0, 1, 2], "Subject": ["ann"] * 3}
FIXED = {
    "Intercept": 250,
    "Days": 10,
    "sd_Subject[Intercept]": 25,
    "sd_Subject[Days]": 6,
    "cor_Subject": 0.1,
    "sigma": 25,
}


def _set(fit: hl.Fit, **values: object) -> hl.Fit:
    """Fix variables of a posterior in place."""
    for name, value in values.items():
        fit.idata["posterior"][name].to_numpy()[...] = value
    return fit


def _sleep(**options: int) -> hl.Fit:
    """Return a fit whose other parameters are all known."""
    model = hl.Model(FORMULA, hl.load_dataset("sleepstudy"), priors=FIXED)
    fit = synthetic_fit(model, **options)
    known = {"beta": [250, 10], "sd_Subject": [25, 6], "cor_Subject": 0.1, "sigma": 25}
    return _set(fit, **known)


def _gaussian(seed: int, *, size: int, weights: bool = False) -> tuple[Rows, np.ndarray]:
    rng = np.random.default_rng(seed)
    n, m = 5, 3
    M, a = rng.normal(size=(size, n, m)), rng.normal(size=(size, n))
    sigma = rng.uniform(0.5, 2, (size, 1))
    w = rng.integers(1, 4, n).astype(float) if weights else None
    rows = Rows(get_family("gaussian"), rng.normal(size=n), w, None, a, M, {"sigma": sigma})
    noise = np.eye(n) if w is None else np.diag(1 / w)
    return rows, M @ M.transpose(0, 2, 1) + sigma[:, None] ** 2 * noise


def test_gaussian_evidence_is_the_multivariate_normal() -> None:
    rows, V = _gaussian(1, size=20)
    got = sample_effects(rows, np.random.default_rng(1))[1]
    want = [stats.multivariate_normal(a, v).logpdf(rows.y) for a, v in zip(rows.a, V, strict=True)]
    assert got == pytest.approx(want, abs=1e-10)


def test_a_row_of_weight_k_is_k_rows() -> None:
    rows, _ = _gaussian(2, size=10, weights=True)
    again = np.repeat(np.arange(5), rows.weights.astype(int))
    longer = Rows(
        rows.family, rows.y[again], None, None, rows.a[:, again], rows.M[:, again], rows.shapes
    )
    got = sample_effects(rows, np.random.default_rng(1))
    want = sample_effects(longer, np.random.default_rng(1))
    assert got[1] == pytest.approx(want[1], abs=1e-10)
    assert got[0] == pytest.approx(want[0], abs=1e-8)


def test_gaussian_effects_have_the_conditional_moments() -> None:
    one, V = _gaussian(3, size=1)
    n = 40_000
    shapes = {"sigma": np.repeat(one.shapes["sigma"], n, axis=0)}
    many = Rows(
        one.family, one.y, None, None, np.repeat(one.a, n, 0), np.repeat(one.M, n, 0), shapes
    )
    u = sample_effects(many, np.random.default_rng(4))[0]
    gain = one.M[0].T @ np.linalg.inv(V[0])
    mean, cov = gain @ (one.y - one.a[0]), np.eye(3) - gain @ one.M[0]
    assert (np.abs(u.mean(axis=0) - mean) < 5 * np.sqrt(np.diag(cov) / n)).all()
    error = np.sqrt((cov**2 + np.outer(np.diag(cov), np.diag(cov))) / n)
    assert (np.abs(np.cov(u.T) - cov) < 5 * error).all()


CASES = [
    ("bernoulli", "logit", [1, 1, 0, 1], {}),
    ("bernoulli", "probit", [1, 1, 1, 1], {}),
    ("bernoulli", "cloglog", [0, 0, 1, 0], {}),
    ("binomial", "logit", [9, 10, 8, 10], {}),
    ("poisson", "log", [0, 0, 0, 1], {}),
    ("poisson", "log", [40, 55, 38, 60], {}),
    ("poisson", "sqrt", [9, 4, 16, 7], {}),
    ("poisson", "identity", [9, 4, 16, 7], {}),
    ("negbinomial", "log", [3, 0, 20, 5], {"alpha": 1.5}),
    ("gamma", "log", [1.0, 4.0, 0.2, 2.0], {"alpha": 2.0}),
    ("gamma", "inverse", [1.0, 4.0, 0.2, 2.0], {"alpha": 2.0}),
    ("beta", "logit", [0.9, 0.8, 0.95, 0.99], {"kappa": 6.0}),
    ("student", "identity", [0.0, 1.0, 30.0, 0.5], {"sigma": 1.0, "nu": 3.0}),
    ("student", "identity", [0.0, 1e3, 30e3, 2e3], {"sigma": 1e3, "nu": 3.0}),
    ("gaussian", "log", [1.0, 4.0, 2.2, 2.0], {"sigma": 0.5}),
    ("lognormal", "identity", [1.0, 4.0, 0.2, 2.0], {"sigma": 0.5}),
]


@pytest.mark.parametrize(("family", "link", "y", "shapes"), CASES)
def test_evidence_and_mean_by_quadrature(
    family: str, link: str, y: list[float], shapes: dict[str, float]
) -> None:
    size, scale = 4000, 1e3 if max(y) > 1e3 else 1.0
    start = {"poisson-sqrt": 3.0, "poisson-identity": 8.0, "gamma-inverse": 1.0}
    a = start.get(f"{family}-{link}", 0.3) + 0.1 * np.arange(4)
    T = {"poisson-identity": 2.0, "gamma-inverse": 0.2}.get(f"{family}-{link}", 1.2) * scale
    rows = Rows(
        get_family(family, link),
        np.asarray(y, dtype=float),
        None,
        np.full(4, 10.0) if family == "binomial" else None,
        np.tile(a, (size, 1)),
        np.full((size, 4, 1), T),
        {name: np.full((size, 1), value) for name, value in shapes.items()},
    )
    u, log_evidence = sample_effects(rows, np.random.default_rng(1))
    grid = np.linspace(-9, 9, size)  # a point of the grid for every draw
    joint = np.exp(rows.log_joint(grid[:, None]))
    joint[~np.isfinite(joint)] = 0
    step = grid[1] - grid[0]
    evidence, mean = joint.sum() * step, (joint * grid).sum() / joint.sum()
    estimates = np.exp(log_evidence)
    mcse = estimates.std() / np.sqrt(size)
    assert abs(estimates.mean() - evidence) < 5 * mcse + 1e-6 * evidence
    assert estimates.std() < 0.5 * evidence  # a proposal that fits
    weights = estimates / estimates.sum()
    spread = np.sqrt((weights**2 * (u[:, 0] - mean) ** 2).sum())
    assert abs(weights @ u[:, 0] - mean) < 5 * spread


def test_many_effects_at_once() -> None:
    rng, m, size = np.random.default_rng(1), 21, 400
    Z = np.zeros((5 * m, m))
    Z[np.arange(5 * m), np.repeat(np.arange(m), 5)] = 1.2
    Z[:, 0] = 1.0
    y = rng.integers(0, 2, 5 * m).astype(float)
    M = np.tile(Z, (size, 1, 1))
    rows = Rows(get_family("bernoulli"), y, None, None, np.zeros((size, 5 * m)), M, {})
    assert sample_effects(rows, rng)[1].std() < 0.2


def test_effects_of_zero_variance() -> None:
    rows, _ = _gaussian(5, size=10)
    still = Rows(rows.family, rows.y, None, None, rows.a, 0 * rows.M, rows.shapes)
    want = stats.norm(rows.a, rows.shapes["sigma"]).logpdf(rows.y).sum(axis=1)
    assert sample_effects(still, np.random.default_rng(1))[1] == pytest.approx(want, abs=1e-10)


def test_known_parameters_give_the_best_linear_prediction() -> None:
    found = _sleep(draws=5000).condition(VISITS, seed=1)
    X = np.column_stack([np.ones(3), [0, 1, 2]])
    sigma = np.diag([25.0, 6]) @ [[1, 0.1], [0.1, 1]] @ np.diag([25.0, 6])
    gain = sigma @ X.T @ np.linalg.inv(X @ sigma @ X.T + 625 * np.eye(3))
    mean = gain @ (np.array(VISITS["Reaction"]) - X @ [250, 10])
    sd = np.sqrt(np.diag(sigma - gain @ X @ sigma))
    table = found.summary()
    assert (found.pareto_k, found.ess) == (0.0, pytest.approx(20_000))
    assert table.index.tolist() == [("Subject", "ann", "Intercept"), ("Subject", "ann", "Days")]
    assert (np.abs(table["mean"] - mean) < 5 * sd / np.sqrt(20_000)).all()
    assert (np.abs(table["sd"] / sd - 1) < 5 / np.sqrt(40_000)).all()


def test_weights_are_those_of_the_marginal_likelihood() -> None:
    fit = _sleep(draws=1000)
    sigma = np.exp(np.random.default_rng(1).normal(np.log(25), 0.3, (4, 1000)))
    rows = VISITS | {"Reaction": [330.0, 210.0, 345.0]}
    found = _set(fit, sigma=sigma).condition(rows, seed=1)
    X = np.column_stack([np.ones(3), [0, 1, 2]])
    V = X @ (np.diag([25.0, 6]) @ [[1, 0.1], [0.1, 1]] @ np.diag([25.0, 6])) @ X.T
    residual = np.array(rows["Reaction"]) - X @ [250, 10]
    flat = sigma.ravel()
    log_w = [
        stats.multivariate_normal(np.zeros(3), V + s**2 * np.eye(3)).logpdf(residual) for s in flat
    ]
    w = np.exp(log_w - np.max(log_w))
    w /= w.sum()
    want = w @ flat
    got = found.idata["posterior"]["sigma"].to_numpy()
    assert got.shape == (1, 4000)
    mcse = np.sqrt((w**2 * (flat - want) ** 2).sum())
    assert abs(got.mean() - want) < mcse  # systematic resampling adds little to weighting
    assert abs(flat.mean() - want) > 3 * mcse
    assert found.ess == pytest.approx(1 / np.square(w).sum(), rel=0.02)


def test_several_new_levels_are_learnt_apart_and_together() -> None:
    fit = _sleep(draws=2000)
    both = pd.concat(
        [pd.DataFrame(VISITS), pd.DataFrame(VISITS).assign(Subject="bob", Reaction=200.0)]
    )
    found = fit.condition(both, seed=1)
    assert found.levels == {"Subject": ("ann", "bob")}
    alone = fit.condition(VISITS, seed=2).summary()
    table = found.summary()
    sd = alone["sd"].to_numpy()
    difference = table.xs("ann", level="level")["mean"] - alone.xs("ann", level="level")["mean"]
    assert (np.abs(difference) < 5 * sd * np.sqrt(2 / 8000)).all()
    assert table.loc[("Subject", "bob", "Intercept"), "mean"] < 0
    assert found.effects["r_Subject"].sizes == {
        "chain": 1, "draw": 8000, "Subject": 2, "Subject_coef": 2
    }  # fmt: skip


def test_further_rows_of_the_group_are_predicted() -> None:
    found = _sleep(draws=500).condition(VISITS, seed=1)
    new = {"Days": [3, 3], "Subject": ["ann", "308"]}
    eta = found.linpred(new)["predictions"]["linpred"].to_numpy()[0]
    posterior = found.idata["posterior"]
    ann = found.effects["r_Subject"].to_numpy()[0, :, 0]
    known = posterior["r_Subject"].sel(Subject="308").to_numpy()[0]
    assert np.allclose(eta[:, 0], 280 + ann @ [1, 3])
    assert np.allclose(eta[:, 1], 280 + known @ [1, 3])
    assert np.allclose(found.epred(new, summary=True)["mean"], eta.mean(axis=0))
    y = found.predict(new, seed=2)["predictions"]["Reaction"].to_numpy()[0]
    assert abs((y - eta).std() / 25 - 1) < 5 / np.sqrt(2 * y.size)
    with pytest.raises(hl.DataError, match="'Subject' has the level 'bob'"):
        found.predict({"Days": [3], "Subject": ["bob"]})


def test_known_effects_are_paired_with_the_draws_that_were_kept() -> None:
    fit = synthetic_fit(hl.Model("y ~ x + (1 | g)", table()))
    found = fit.condition({"y": [2.0, 1.0], "x": [0.0, 1.0], "g": ["new", "new"]}, seed=1)
    old, kept = fit.idata["posterior"], found.idata["posterior"]
    flat = old["sigma"].to_numpy().ravel()
    where = np.array([int(np.flatnonzero(flat == s)[0]) for s in kept["sigma"].to_numpy()[0]])
    effects = old["r_g"].to_numpy().reshape(1000, 12, 1)[where]
    assert np.array_equal(kept["r_g"].to_numpy()[0, :, :12], effects)
    assert np.array_equal(kept["beta"].to_numpy()[0], old["beta"].to_numpy().reshape(-1, 2)[where])
    assert kept["g"].to_numpy().tolist() == [*old["g"].to_numpy().tolist(), "new"]


@pytest.mark.filterwarnings("ignore::hierlm.DesignWarning")
def test_nested_new_levels_are_learnt_together() -> None:
    data = table(b=np.tile(["p", "p", "q", "q", "r"], 12))
    fit = synthetic_fit(hl.Model("y ~ 1 + (1 | g/b)", data), draws=2000)
    _set(fit, **{"beta": 0.0, "sd_g": 2.0, "sd_g:b": 1.0, "sigma": 0.5})
    rows = {"y": [3.0, 2.5, 1.0], "g": ["new"] * 3, "b": ["p", "p", "q"]}
    found = fit.condition(rows, seed=1)
    assert found.levels == {"g": ("new",), "g:b": ("new:p", "new:q")}
    Z = np.array([[1, 1, 0], [1, 1, 0], [1, 0, 1]], dtype=float)
    sigma = np.diag([4.0, 1, 1])
    gain = sigma @ Z.T @ np.linalg.inv(Z @ sigma @ Z.T + 0.25 * np.eye(3))
    mean, cov = gain @ rows["y"], sigma - gain @ Z @ sigma
    draws = np.column_stack(
        [found.effects["r_g"].to_numpy()[0, :, 0, 0], found.effects["r_g:b"].to_numpy()[0, ..., 0]]
    )
    assert (np.abs(draws.mean(axis=0) - mean) < 5 * np.sqrt(np.diag(cov) / 8000)).all()
    error = np.sqrt((cov**2 + np.outer(np.diag(cov), np.diag(cov))) / 8000)
    assert (np.abs(np.cov(draws.T) - cov) < 5 * error).all()


def test_a_new_level_beside_known_ones() -> None:
    data = hl.load_dataset("Penicillin")
    fit = synthetic_fit(hl.Model("diameter ~ 1 + (1 | plate) + (1 | sample)", data), draws=500)
    known = {"sd_plate": 1.0, "sd_sample": 1.0, "sigma": 0.5, "beta": 20.0, "r_sample": 3.0}
    rows = {"diameter": [24.0], "plate": ["new"], "sample": ["A"]}
    found = _set(fit, **known).condition(rows, seed=1)
    assert found.levels == {"plate": ("new",)}
    error = 0.45 / np.sqrt(2000)
    assert abs(found.summary()["mean"].item() - 1 / 1.25) < 5 * error

    both = fit.condition({"diameter": [24.0], "plate": ["new"], "sample": ["other"]}, seed=1)
    assert both.levels == {"plate": ("new",), "sample": ("other",)}
    assert both.effects["r_sample"].dims == ("chain", "draw", "sample_level", "sample_coef")
    assert np.allclose(both.summary()["mean"], 4 / 2.25, atol=5 * 0.75 / np.sqrt(2000))


def test_known_sds_and_offsets_enter() -> None:
    fit = synthetic_fit(hl.Model("y | se(s) ~ 1 + offset(z) + (1 | g)", table()), draws=1000)
    _set(fit, beta=1.0, sd_g=2.0)
    rows = {"y": [5.0, 4.0], "s": [0.5, 2.0], "z": [1.0, -1.0], "g": ["new", "new"]}
    found = fit.condition(rows, seed=1)
    precision = np.array([4, 0.25, 0.25])  # of the two rows and of the prior
    mean = (4 * 3 + 0.25 * 4) / precision.sum()
    got = found.summary()["mean"].item()
    assert abs(got - mean) < 5 / np.sqrt(precision.sum() * 4000)


def test_chunks_of_draws_are_put_together(monkeypatch: pytest.MonkeyPatch) -> None:
    from hierlm.prediction import conditioning

    fit = _sleep(draws=300)
    whole = fit.condition(VISITS, seed=1).summary()
    monkeypatch.setattr(conditioning, "_CELLS", 10_000)
    cut = fit.condition(VISITS, seed=1).summary()
    assert np.allclose(cut[["mean", "sd"]], whole[["mean", "sd"]], atol=5 * 17 / np.sqrt(1200))


def test_a_seed_gives_the_same_draws() -> None:
    fit = synthetic_fit(hl.Model(FORMULA, hl.load_dataset("sleepstudy")))
    rows = pd.DataFrame(VISITS).assign(Reaction=[1.0, 0.5, 2.0])
    assert fit.condition(rows, seed=1).summary().equals(fit.condition(rows, seed=1).summary())
    assert not fit.condition(rows, seed=1).summary().equals(fit.condition(rows, seed=2).summary())


def test_rows_that_move_the_posterior_far_are_warned_of() -> None:
    fit = synthetic_fit(hl.Model("y ~ 1 + (1 | g)", table()), draws=250)
    rows = {"y": np.full(50, 80.0), "g": np.full(50, "new")}
    with pytest.warns(hl.ConvergenceWarning, match="fit again with them"):
        found = fit.condition(rows, seed=1)
    assert found.pareto_k > 0.7


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"Subject": ["ann", "308", "309"]}, r"row 1 has no new level \(2 such row"),
        ({"Reaction": [330.0, None, 345.0]}, "'Reaction' has 1 missing"),
        ({"Subject": ["ann", None, "ann"]}, "'Subject' has 1 missing"),
    ],
)
def test_rows_that_cannot_be_learnt_from(changes: dict[str, object], says: str) -> None:
    with pytest.raises(hl.DataError, match=says):
        _sleep(draws=50).condition(VISITS | changes)


def test_what_else_is_refused() -> None:
    with pytest.raises(hl.DataError, match="100 at least; the fit has 8"):
        _sleep(draws=2).condition(VISITS)
    with pytest.raises(hl.DataError, match="'Reaction'"):
        _sleep(draws=50).condition({"Days": [1], "Subject": ["ann"]})
    counts = synthetic_fit(hl.Model("count ~ 1 + (1 | g)", table(), family="poisson"))
    with pytest.raises(hl.FamilyError, match="non-negative whole numbers"):
        counts.condition({"count": [-1], "g": ["new"]})
    with pytest.raises(hl.DataError, match="this model has no grouping factor"):
        synthetic_fit(hl.Model("y ~ x", table())).condition({"y": [1.0], "x": [1.0]})


def test_its_repr() -> None:
    text = repr(_sleep(draws=50).condition(VISITS, seed=1))
    assert text == (
        "conditioned on rows of new levels\nSubject: ann\nPareto k 0.00, 200 of 200 draws in effect"
    )
