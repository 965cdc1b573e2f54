"""The laplace engine: identities of its weights, and what it says of itself."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import integrate, stats

import hierlm as hl
from hierlm.convergence import Approximation
from hierlm.document import document, to_json
from hierlm.engines import choose_engine, proposal, settings
from hierlm.engines.approximate import LaplaceEngine, resampled
from hierlm.engines.approximate_whitened import CANDIDATES, Target, candidates
from hierlm.engines.importance import largest_k, resample, smooth
from hierlm.kernels.importance import log_ratios
from hierlm.kernels.whitened import log_density_at
from hierlm.report.checks import convergence_section
from hierlm.report.reproduce import call
from hierlm.report.source import Source
from hierlm.summaries import Interval

FIXED = {"sd": 0.7, "sigma": 1.3}
CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "poisson, nested": ("c ~ x + (x | g) + (1 | h)", "poisson", {}),
    "bernoulli, no groups": ("b ~ x", "bernoulli", {}),
    "negbinomial": ("c ~ x + (1 | g)", "negbinomial", {"alpha": 3.0}),
}


@pytest.fixture(scope="module")
def table() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    g, x = np.repeat(np.arange(8), 6), rng.normal(size=48)
    y = 1.0 + 0.5 * x + rng.normal(0, 0.8, 8)[g] + rng.normal(0, 1.3, 48)
    return {"x": x, "g": g, "h": np.tile(np.arange(4), 12), "row": np.arange(48),
            "y": y, "b": (y > 1).astype(int), "c": rng.poisson(np.exp(0.3 * y))}  # fmt: skip


def _settings(**options: Any) -> Any:
    defaults = {"seed": 1, "cores": 1, "chains": 2, "draws": 100, "progress": False}
    return settings(**(defaults | options))


def _target(formula: str, table: Any, family: str, priors: dict[str, Any]) -> Target:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", hl.HierlmWarning)
        model = hl.Model(formula, table, family=family, priors=priors)
    return Target(model.spec, model.design, _settings())


@pytest.mark.parametrize("case", CASES)
def test_with_one_candidate_ratios_are_the_whitened_density_over_that_of_the_noise(
    case: str, table: Any
) -> None:
    target, rng = _target(CASES[case][0], table, *CASES[case][1:]), np.random.default_rng(1)
    white, width = target.white, target.width
    d, N, S = len(white.start), len(white.whitening.h), 5
    points = np.concatenate([white.start + rng.normal(0, 0.3, (S, d)), rng.normal(size=(S, N))], 1)
    ratios, gradient = np.empty(S), np.empty(d + N)
    own, picks = points[:, None, d : d + width].copy(), np.zeros((S, target.factor[0]))
    before = points.copy()
    log_ratios(points, own, picks, target.levels, white.rows, white.whitening, white.layout, ratios)
    assert np.array_equal(points, before)
    for point, ratio in zip(points, ratios, strict=True):
        density = log_density_at(point, gradient, white.rows, white.whitening, white.layout)
        expected = density - stats.norm.logpdf(point[d:]).sum()
        assert ratio == pytest.approx(expected, rel=1e-11, abs=1e-9)


def test_weights_are_all_alike_where_the_approximation_is_exact(table: Any) -> None:
    model = hl.Model("y ~ x + (1 | g)", table, priors=FIXED | {"beta": "normal(0, 2)"})
    fit = model.fit(engine="laplace", seed=2, progress=False)
    attrs = fit.idata.attrs
    assert np.ptp(fit.idata["sample_stats"]["log_ratio"].to_numpy()) < 1e-8
    assert (attrs["exact_engine"], attrs["pareto_k"]) == ("whitened", 0.0)
    assert attrs["importance_ess"] == pytest.approx(attrs["proposals"])
    # the normal posterior of least squares with a known covariance
    design, means = model.design, np.asarray(model.spec.encoding.common.means)
    X = design.X - np.where(np.arange(2) == 0, 0, means)
    V = 0.7**2 * (table["g"][:, None] == table["g"]) + 1.3**2 * np.eye(48)
    V = np.linalg.inv(V)
    prior = model.spec.priors["Intercept_centered"]
    precision = X.T @ V @ X + np.diag([prior.sigma**-2, 2.0**-2])
    h = X.T @ V @ table["y"] + np.array([prior.mu * prior.sigma**-2, 0.0])
    mean, cov = np.linalg.solve(precision, h), np.linalg.inv(precision)
    drawn = fit.idata["posterior"]["beta"].sel(coef="x").to_numpy()
    assert drawn.mean() == pytest.approx(mean[1], abs=5 * np.sqrt(cov[1, 1] / drawn.size))
    assert drawn.std() == pytest.approx(np.sqrt(cov[1, 1]), rel=5 / np.sqrt(2 * drawn.size))


def test_the_mean_of_the_ratios_is_the_integral(table: Any) -> None:
    """The evidence of a model whose parameters are fixed, by quadrature, level by level."""
    target = _target("c ~ 1 + (1 | g)", table, "poisson", {"Intercept": 0.2, "sd": 1.5})
    _, ratios = target.weigh(np.zeros((400, 0)), 1)
    log_evidence = 0.0
    for level in range(8):
        counts = table["c"][table["g"] == level]

        def joint(b: float, counts: np.ndarray = counts) -> float:
            rows = stats.poisson.pmf(counts, np.exp(0.2 + b)).prod()
            return float(stats.norm.pdf(b, 0, 1.5) * rows)

        log_evidence += np.log(integrate.quad(joint, -6, 5, epsabs=0, epsrel=1e-10, limit=200)[0])
    weights = np.exp(ratios - log_evidence)
    error = weights.std() / np.sqrt(len(weights))
    assert error < 0.02
    assert abs(weights.mean() - 1.0) < 5 * error


def test_candidates_are_standard_normal_and_leave_no_gap() -> None:
    found = candidates(4000, 1, 2, np.random.default_rng(0))
    assert found.shape == (4000, CANDIDATES, 2)
    for k in range(CANDIDATES):
        for a in range(2):
            assert stats.kstest(found[:, k, a], "norm").pvalue > 1e-3
    sorted_ = np.sort(stats.norm.cdf(found[:, :, 0]), axis=1)
    assert np.allclose(np.diff(sorted_, axis=1), 1 / CANDIDATES)


def _proposal(rng: np.random.Generator, d: int) -> proposal.Proposal:
    axes = rng.normal(size=(d, d)) + 2 * np.eye(d)
    return proposal.Proposal(rng.normal(size=d), axes, np.full(d, 0.7), np.linspace(1, 2, d))


def test_the_density_of_a_proposal_integrates_to_one() -> None:
    found = _proposal(np.random.default_rng(1), 2)
    x, log_q, log_normal = found.draw(20_000, np.random.default_rng(2))
    # of another density over it, the mean is one
    other = stats.multivariate_normal(found.mode, 2 * found.axes @ found.axes.T)
    for ratio in (np.exp(other.logpdf(x) - log_q), np.exp(log_normal - log_q)):
        assert abs(ratio.mean() - 1) < 5 * ratio.std() / np.sqrt(len(x))


def test_the_mode_and_the_axes_of_a_normal_are_found() -> None:
    rng = np.random.default_rng(4)
    root = np.diag([100.0, 0.01, 1.0]) @ (np.eye(3) + np.tril(rng.normal(size=(3, 3)), -1))
    mean, precision = np.array([500.0, -3.0, 0.0]), np.linalg.inv(root @ root.T)
    found = proposal.around(
        lambda x: -0.5 * float((x - mean) @ precision @ (x - mean)), mean + root @ np.ones(3)
    )
    assert np.linalg.solve(root, found.mode - mean) == pytest.approx(np.zeros(3), abs=1e-3)
    cov = np.linalg.solve(root, found.axes @ found.axes.T) @ np.linalg.inv(root).T
    assert cov == pytest.approx(np.eye(3), abs=1e-6)
    assert found.lower == pytest.approx(found.upper)


def test_a_skew_density_is_wider_on_its_long_side() -> None:
    found = proposal.around(lambda x: float(x[0] - np.exp(x[0])), np.zeros(1))  # log of Exp(1)
    assert found.lower[0] > 1.2 * found.upper[0]
    x, log_q, _ = found.draw(4000, np.random.default_rng(0))
    assert smooth(x[:, 0] - np.exp(x[:, 0]) - log_q).pareto_k < 0.5


def test_a_pilot_moves_and_stretches_the_proposal() -> None:
    start = proposal.Proposal(np.zeros(1), np.eye(1), np.ones(1), np.ones(1))
    x, log_q, _ = start.draw(20_000, np.random.default_rng(0))
    found = start.adapted(x, stats.norm.logpdf(x[:, 0], 0.5, 1.0) - log_q)
    x, _, _ = found.draw(20_000, np.random.default_rng(1))
    assert x.mean() == pytest.approx(0.5, abs=0.06)
    assert x.std() == pytest.approx(1.0, abs=0.06)


def test_smoothed_weights() -> None:
    assert smooth(np.full(500, -3.0)).pareto_k == 0.0
    rng = np.random.default_rng(0)
    assert smooth(0.1 * rng.normal(size=4000)).pareto_k < 0.3
    heavy = smooth(1.5 * rng.standard_exponential(4000))  # ratios with k = 1.5
    assert heavy.pareto_k > 1.0
    assert heavy.ess < 400
    alone = np.full(500, -1e5)
    alone[7] = 0.0
    assert smooth(alone).pareto_k == np.inf
    assert largest_k(100) == 0.5


def test_resampling_takes_each_as_often_as_its_weight_says() -> None:
    kept = resample(np.array([0.5, 0.0, 0.25, 0.25]), 8, np.random.default_rng(0))
    assert np.bincount(kept, minlength=4).tolist() == [4, 0, 2, 2]


@pytest.fixture(scope="module")
def fit() -> hl.Fit:
    data = hl.load_dataset("sleepstudy")
    formula = "Reaction ~ Days + (Days | Subject)"
    return hl.fit(formula, data, engine="laplace", seed=1, progress=False)


@pytest.fixture(scope="module")
def doubtful(table: Any) -> hl.Fit:
    """A fit whose weights are made to look bad."""
    model = hl.Model("c ~ x + (1 | g)", table, family="poisson")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", hl.ConvergenceWarning)  # they are few
        found = model.fit(engine="laplace", seed=1, draws=50, chains=2, progress=False)
    tree = found.idata.copy()
    tree.attrs |= {"pareto_k": 1.3, "importance_ess": 11.2, "reweighted": 0}
    return hl.Fit(found.spec, found.design, found.frame, tree)


def test_the_same_seed_gives_the_same_draws(table: Any) -> None:
    model = hl.Model("b ~ x + (1 | g)", table, family="bernoulli")
    one, two, three = (
        LaplaceEngine().sample(model.spec, model.design, _settings(seed=seed, cores=cores))
        for seed, cores in ((5, 1), (5, 2), (6, 1))
    )
    one, two, three = (tree["posterior"].to_dataset() for tree in (one, two, three))
    assert one.identical(two)
    assert not one.equals(three)


def test_it_says_that_it_can_be_trusted(fit: hl.Fit) -> None:
    text = repr(fit)
    assert "4,000 draws from 8,000 proposals, reweighted" in text
    assert "engine laplace (importance), seed 1" in text
    assert "The approximation can be trusted. Pareto k " in text
    assert "8,000 proposals are" in text
    assert "R-hat" not in text
    assert "divergences" not in text
    assert "warm-up" not in text
    assert isinstance(fit.convergence, Approximation)
    assert fit.convergence.trusted
    assert fit.summary()["r_hat"].isna().all()
    assert fit.summary()["ess_bulk"].min() > 1000
    report = fit.check()
    assert report.about("convergence")[0].severity == "ok"
    assert "Pareto k" in report.about("convergence")[0].text


def test_it_says_that_it_should_not_be_believed(doubtful: hl.Fit) -> None:
    text = repr(doubtful)
    assert "100 draws from 1,000 proposals, not reweighted" in text
    assert "Do not believe this approximation. Pareto k 1.30 (at most 0.67)" in text
    assert "Fit with engine='whitened'" in " ".join(text.split())
    found = doubtful.check().about("convergence")
    assert [finding.severity for finding in found] == ["problem"]
    assert "these draws are the approximation's own" in found[0].text


def test_few_effective_draws_are_said(fit: hl.Fit) -> None:
    tree = fit.idata.copy()
    tree.attrs["importance_ess"] = 312.0
    few = hl.Fit(fit.spec, fit.design, fit.frame, tree)
    text = " ".join(repr(few).split())
    assert "Do not trust these draws yet." in text
    assert "too few effective draws: 312 (it should be at least 400). Raise draws" in text


def test_where_weights_fail_the_draws_are_the_approximations_own(table: Any) -> None:
    ratios, plain = np.full(1000, -1e4), np.zeros(1000)
    ratios[3] = 0.0
    kept, facts = resampled(ratios, plain, _settings(), "whitened")
    assert (facts["reweighted"], facts["pareto_k"]) == (0, np.inf)
    assert len(np.unique(kept)) == 200
    kept, facts = resampled(plain, plain, _settings(), "whitened")
    assert facts["reweighted"] == 1
    with pytest.raises(hl.EngineError) as caught:
        resampled(np.full(1000, -np.inf), plain, _settings(), "whitened")
    assert str(caught.value) == (
        "there is no Laplace approximation of this posterior: no point that it proposes is "
        "possible.\n  Write engine='whitened', which samples the posterior itself."
    )


@pytest.mark.parametrize(
    ("module", "limit", "why"),
    [("working", "_STEPS", "no mode within 0 steps"), ("laplace", "LEAST_DENSE", "one by one")],
)
def test_where_there_is_no_approximation_an_engine_is_named(
    module: str, limit: str, why: str, table: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"hierlm.engines.{module}.{limit}", 0)
    monkeypatch.setattr("hierlm.engines.laplace.NANOSECONDS", np.inf)  # of a dense factor
    monkeypatch.setattr("hierlm.engines.crossed._FAR", 0.0)
    monkeypatch.setattr("hierlm.engines.crossed._DIRECTIONS", 2)
    with pytest.raises(hl.EngineError, match=why) as caught:
        _target("c ~ x + (1 | row) + (x | g) + (1 | h)", table, "poisson", {})
    assert "Write engine='whitened', which samples the posterior itself." in str(caught.value)


def test_json(fit: hl.Fit, doubtful: hl.Fit) -> None:
    found = json.loads(to_json(document(fit)))
    assert found["convergence"]["trusted"]
    assert found["convergence"]["proposals"] == 8000
    assert "r_hat" not in found["convergence"]
    assert found["parameters"][0]["r_hat"] is None
    assert found["timings"]["compile"] is not None
    assert len(json.loads(to_json(document(doubtful)))["convergence"]["complaints"]) == 1


def test_saved_and_loaded(fit: hl.Fit, tmp_path: Path) -> None:
    fit.save(tmp_path / "fit.nc")
    loaded = hl.load(tmp_path / "fit.nc")
    assert repr(loaded) == repr(fit)
    assert loaded.convergence == fit.convergence


def test_the_report_speaks_of_weights(fit: hl.Fit, doubtful: hl.Fit) -> None:
    for one, said in ((fit, "can be trusted"), (doubtful, "without them")):
        parts = one.spec, one.design, one.frame, one.idata, one.convergence
        source = Source(*parts, interval=Interval(), seed=0)
        text = str(convergence_section(source))
        assert said in text
        assert "Pareto k" in text
        assert "R-hat" not in text
        text = call(source)
        assert "engine='laplace'" in text
        assert "target_accept" not in text
        assert "tune" not in text
        assert "sampler" not in text


def test_what_comes_after_a_fit_works(fit: hl.Fit) -> None:
    assert fit.ranef().shape[0] == 36
    assert np.isfinite(fit.residuals()).all()
    half = hl.load_dataset("sleepstudy").query("Days < 5")
    early = hl.fit(fit.spec.formula, half, engine="laplace", seed=1, progress=False)
    updated = early.update(hl.load_dataset("sleepstudy").query("Days >= 5"), seed=2)
    assert (updated.engine, updated.spec.n_rows) == ("laplace", 180)


@pytest.mark.parametrize(
    ("option", "value"),
    [("tune", 100), ("tune", 0), ("target_accept", 0.95), ("sampler_options", {"maxdepth": 5})],
)
def test_settings_of_samplers_are_refused(option: str, value: Any, table: Any) -> None:
    model = hl.Model("y ~ x + (1 | g)", table)
    with pytest.raises(hl.EngineError) as caught:
        model.fit(engine="laplace", **{option: value})
    text = str(caught.value)
    assert text.startswith(f"the laplace engine has no {option}; came {value!r}.")
    assert f"Leave {option} out" in text


def test_what_only_pymc_has_is_refused(table: Any) -> None:
    model = hl.Model("y ~ x + (1 | g)", table)
    for options in ({"sampler": "pymc"}, {"keep_standardized": True}):
        with pytest.raises(hl.EngineError, match="only the pymc engine has, not 'laplace'"):
            model.fit(engine="laplace", **options)


def test_it_takes_what_the_fast_engines_take_and_is_never_chosen(table: Any) -> None:
    gaussian = hl.Model("y ~ x + (1 | g)", table)
    poisson = hl.Model("c ~ x", table, family="poisson")
    for model in (gaussian, poisson):
        assert choose_engine(model.spec).engine.name != "laplace"
        assert choose_engine(model.spec, "laplace").engine.name == "laplace"
    table = {**table, "s": np.ones(len(table["x"])), "p": np.exp(table["x"])}
    neither = hl.Model("p | se(s) ~ x", table, family="student", link="log")
    with pytest.raises(hl.EngineError, match="the laplace engine cannot take this model"):
        neither.fit(engine="laplace")
