"""lme4's and glmmTMB's estimates of models with other families, without a draw.

At their estimates, the specification's Laplace approximation has their log-likelihood and their
conditional modes, and it falls in every direction from there. What engines sample has the
specification's density (tests/engines), so the models are the same ones.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers.elsewhere import read
from helpers.laplace import laplace

import hierlm as hl

REFERENCES = json.loads((Path(__file__).parent / "reference" / "lme4_glmm.json").read_text())
# glmer's search for the modes ends at a relative change of 1e-7 in what it minimises, which moves
# its log-likelihood by some 1e-4; glmmTMB, which goes on, is as much above it as this is.
TOLERANCE = 1e-6
SMALL = 300  # effects: with more, a step from the estimates takes seconds


def rows(dataset: str) -> pd.DataFrame:
    if dataset == "lexdec":
        data = read("lexdec")
        return data.assign(correct=(data["Correct"] == "correct").astype(int))
    data = hl.load_dataset(dataset)
    return data if "obs" in data else data.assign(obs=np.arange(len(data)) + 1)


def model_of(expected: dict[str, Any]) -> hl.Model:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", hl.DesignWarning)  # three populations, two regions
        return hl.Model(expected["formula"], rows(expected["dataset"]), family=expected["family"])


def covariances(expected: dict[str, Any], factor: str = "", scale: float = 1.0) -> dict[str, Any]:
    found = {}
    for name, group in expected["groups"].items():
        sd = np.array(group["sd"]) * (scale if name == factor else 1.0)
        R = np.eye(len(sd))
        R[np.tril_indices(len(sd), -1)] = group["cor"]
        R = np.tril(R) + np.tril(R, -1).T
        found[name] = sd[:, None] * R * sd
    return found


@pytest.mark.parametrize("name", REFERENCES)
def test_estimates_are_the_maximum(name: str) -> None:
    expected = REFERENCES[name]
    model = model_of(expected)
    beta, se = np.array(expected["coefs"]), np.array(expected["se"])
    shapes = {"alpha": expected["alpha"]} if expected["alpha"] else {}
    value, modes = laplace(model, beta, covariances(expected), **shapes)
    assert value == pytest.approx(expected["loglik"], rel=TOLERANCE)
    for group in model.spec.groups:
        theirs = expected["groups"][group.factor]
        wanted = np.array([theirs["modes"][level] for level in group.levels.labels])
        assert modes[group.factor] == pytest.approx(wanted, abs=1e-6 * max(theirs["sd"]))
    if model.design.n > 2000 or sum(block.n_levels for block in model.design.blocks) > SMALL:
        return
    for k in range(len(beta)):
        for sign in (-0.2, 0.2):
            moved = beta + sign * se[k] * np.eye(len(beta))[k]
            assert laplace(model, moved, covariances(expected), **shapes)[0] < value
    for factor in expected["groups"]:
        for scale in (0.95, 1.05):
            wider = covariances(expected, factor, scale)
            assert laplace(model, beta, wider, **shapes)[0] < value
