"""Designs over the bundled data are lme4's: column sums, levels, fitted values, cross-products.

golden/lme4_designs.json was written by golden/extract.py from fits of lme4 1.1-31 (R 4.2.2). It
holds no design matrix, but the estimates pin it down. At lme4's solution every row of X, Z and
the levels enters Henderson's equations

    X' (y - mu) = 0,    Sigma Z' (y - mu) / sigma^2 = b,

of which the second holds for the modes of binomial and Poisson models too (with sigma = 1).
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import block_diag
from scipy.special import expit

from hierlm import load_dataset
from hierlm.design import Design, Encoding
from hierlm.formula import parse

GOLDEN = json.loads(Path(__file__).with_name("golden").joinpath("lme4_designs.json").read_text())
ORDERED = GOLDEN.pop("cake_recipe_x_temperature")
MEANS = {"identity": lambda eta: eta, "log": np.exp, "logit": expit}


def table(golden: dict) -> pd.DataFrame:
    """The bundled rows, with the columns that the R script computed."""
    data = load_dataset(golden["dataset"])
    if golden["dataset"] == "sleepstudy" and golden["rows"] is not None:
        return data[data.Days >= 2]
    if golden["dataset"] == "oats":
        return data.assign(nitro=data.N.astype(str).str.removesuffix("cwt").astype(float))
    return data.assign(obs=np.arange(len(data)) + 1) if "obs" not in data else data


def learn(formula: str, data: object) -> Design:
    return Encoding.learn(parse(formula), data)[1]


def case(model: str) -> tuple[dict, Design]:
    golden = GOLDEN[model]
    return golden, learn(golden["formula"], table(golden))


every_model = pytest.mark.parametrize("model", GOLDEN)
gaussian_models = pytest.mark.parametrize(
    # Laplace estimates of beta maximise something else than the joint density.
    "model",
    [model for model, golden in GOLDEN.items() if golden["link"] == "identity"],
)


def beta_of(golden: dict, design: Design) -> np.ndarray:
    return np.array([golden["coefs"][name] for name in design.coefs])


def effects_of(golden: dict, design: Design) -> dict[str, np.ndarray]:
    """lme4's conditional modes, in the order of hierlm's levels."""
    modes = {factor: group["effects"] for factor, group in golden["groups"].items()}
    return {b.factor: np.array([modes[b.factor][k] for k in b.levels]) for b in design.blocks}


def mean_of(golden: dict, design: Design) -> np.ndarray:
    eta = design.linear_predictor(beta_of(golden, design), effects_of(golden, design))
    return MEANS[golden["link"]](eta)


def residual_of(golden: dict, design: Design) -> np.ndarray:
    trials = 1.0 if design.trials is None else design.trials
    return design.response - trials * mean_of(golden, design)


@every_model
def test_common_columns(model):
    golden, design = case(model)
    assert design.n == golden["n"]
    assert sorted(design.coefs) == sorted(golden["coefs"])
    sums = [golden["column_sums"][name] for name in design.coefs]
    np.testing.assert_allclose(design.X.sum(axis=0), sums, rtol=1e-8, atol=1e-8 * design.n)
    eta = design.X[:5] @ beta_of(golden, design)
    np.testing.assert_allclose(eta, golden["eta"], rtol=1e-9)


@every_model
def test_levels_and_coefficients(model):
    golden, design = case(model)
    assert {block.factor for block in design.blocks} == set(golden["groups"])
    for block in design.blocks:
        group = golden["groups"][block.factor]
        assert list(block.coefs) == group["coefs"]
        assert [len(part) for part in block.covariance.parts] == list(map(len, group["covariance"]))
        # The levels of a plain factor come in R's order; those of a crossed one in hierlm's.
        in_order = sorted if ":" in block.factor else list
        assert in_order(block.levels) == in_order(group["effects"])


@every_model
def test_fitted_values(model):
    golden, design = case(model)
    np.testing.assert_allclose(mean_of(golden, design)[:5], golden["fitted"], rtol=1e-9)


@gaussian_models
def test_common_cross_products(model):
    golden, design = case(model)
    residual = residual_of(golden, design)
    size = np.abs(design.X).T @ np.abs(residual)
    assert np.max(np.abs(design.X.T @ residual) / size) < 1e-8


@every_model
def test_group_cross_products(model):
    golden, design = case(model)
    residual = residual_of(golden, design)
    effects = effects_of(golden, design)
    variance = golden["sigma"] ** 2 if golden["link"] == "identity" else 1.0
    for block in design.blocks:
        score = np.zeros((block.n_levels, block.n_coefs))
        np.add.at(score, block.codes, block.Z * residual[:, None])
        Sigma = block_diag(*golden["groups"][block.factor]["covariance"])
        b = effects[block.factor]
        assert np.all(np.abs(score @ Sigma / variance - b) <= 1e-6 * np.abs(b).max(axis=0))


def test_there_are_enough_models():
    assert len(GOLDEN) >= 50


def test_ordered_factor_spans_the_polynomials():
    """R gives an ordered factor orthogonal polynomials, hierlm treatment contrasts: one space."""
    data = load_dataset("cake")
    Q, R = np.linalg.qr(np.vander(np.arange(6.0), increasing=True))
    contrasts = (Q * np.sign(np.diag(R)))[:, 1:]
    columns = {"Intercept": np.ones(len(data))}
    columns |= {f"recipe[{level}]": np.where(data.recipe == level, 1.0, 0.0) for level in "BC"}
    powers = ("temperature.L", "temperature.Q", "temperature.C", "temperature^4", "temperature^5")
    columns |= dict(zip(powers, contrasts[data.temperature.cat.codes].T, strict=True))
    for power in powers:
        columns |= {f"recipe[{x}]:{power}": columns[f"recipe[{x}]"] * columns[power] for x in "BC"}
    theirs = np.column_stack([columns[name] for name in ORDERED["coefs"]])
    np.testing.assert_allclose(theirs.sum(axis=0), [*ORDERED["column_sums"].values()], atol=1e-8)

    ours = learn(ORDERED["formula"], data).X
    assert ours.shape == theirs.shape
    assert np.linalg.matrix_rank(ours) == ours.shape[1]
    spanned = ours @ np.linalg.lstsq(ours, theirs)[0]
    np.testing.assert_allclose(spanned, theirs, atol=1e-12)
    np.testing.assert_allclose(
        spanned[:5] @ [*ORDERED["coefs"].values()], ORDERED["eta"], rtol=1e-9
    )


PLOT = np.array([[4, 1, 1, 1], [1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1]])
BALANCED = {
    # Counted from the plan of the experiment: data set, formula, X'X, Z'Z of every level.
    "sleepstudy": (
        "Reaction ~ Days + (Days | Subject)",  # days 0 to 9 of 18 subjects
        [[180, 18 * 45], [18 * 45, 18 * 285]],
        {"Subject": [[10, 45], [45, 285]]},
    ),
    "Machines": (
        "score ~ Machine + (0 + Machine | Worker)",  # 6 workers, 3 machines, 3 times each
        [[54, 18, 18], [18, 18, 0], [18, 0, 18]],
        {"Worker": 3 * np.eye(3)},
    ),
    "Penicillin": (
        "diameter ~ 1 + (1 | plate) + (1 | sample)",  # each of 6 samples on each of 24 plates
        [[144]],
        {"plate": [[6]], "sample": [[24]]},
    ),
    "Pastes": (
        "strength ~ 1 + (1 | batch/cask)",  # 10 batches, 3 casks of each, 2 assays of each
        [[60]],
        {"batch": [[6]], "batch:cask": [[2]]},
    ),
    "oats": (
        "Y ~ V + (N | B/V)",  # 6 blocks, a plot for each of 3 varieties, 4 rates of N in each
        [[72, 24, 24], [24, 24, 0], [24, 0, 24]],
        {"B": 3 * PLOT, "B:V": PLOT},
    ),
}


@pytest.mark.parametrize("name", BALANCED)
def test_cross_products_of_a_balanced_experiment(name):
    formula, XX, ZZ = BALANCED[name]
    design = learn(formula, load_dataset(name))
    np.testing.assert_array_equal(design.X.T @ design.X, XX)
    for block in design.blocks:
        products = np.zeros((block.n_levels, block.n_coefs, block.n_coefs))
        np.add.at(products, block.codes, block.Z[:, :, None] * block.Z[:, None, :])
        np.testing.assert_array_equal(products, np.broadcast_to(ZZ[block.factor], products.shape))
