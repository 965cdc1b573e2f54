"""Exact samplers of small models, and ways to spoil them.

All parameters but one sd or one correlation, at most, are fixed or Gaussian. That one is drawn on
a fine grid, from its prior times the likelihood with everything else integrated out; the rest is
drawn from its multivariate normal distribution, given that.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr

import hierlm as hl
from hierlm import names
from hierlm.design import Design
from hierlm.engines import Settings
from hierlm.priors import Fixed
from hierlm.simulation import draw_prior
from hierlm.spec import ModelSpec

Array = np.ndarray
Sample = Callable[[ModelSpec, Design, Settings], xr.DataTree]
POINTS = 150


def table(levels: int = 6, rows: int = 5) -> dict[str, Array]:
    return {
        "g": np.repeat(np.arange(levels), rows).astype(str),
        "x": np.tile(np.linspace(-1, 1, rows), levels),
        "y": np.random.default_rng(0).normal(size=levels * rows),
    }


def conjugate_model() -> hl.Model:
    """Everything Gaussian: coefficients and effects, with known sds."""
    priors = {"Intercept": "normal(0, 1)", "x": "normal(0, 1)", "sd_g": 0.7, "sigma": 0.5}
    return hl.Model("y ~ x + (1 | g)", table(), priors=priors)


def sd_model(scale: float = 1.0) -> hl.Model:
    """An unknown sd of the effects; coefficients Gaussian."""
    priors = {"Intercept": "normal(0, 1)", "sd_g": f"halfnormal({scale})", "sigma": 0.5}
    return hl.Model("y ~ 1 + (1 | g)", table(levels=5), priors=priors)


def cor_model() -> hl.Model:
    """An unknown correlation; no common effect to speak of."""
    priors = {"Intercept": 0, "x": 0, "sd_g": 1, "sigma": 0.3, "cor_g": "lkj(2)"}
    return hl.Model("y ~ x + (x | g)", table(levels=10), priors=priors)


def exact(spec: ModelSpec, design: Design, settings: Settings, prior: object = None) -> xr.DataTree:
    """Draw exactly from the posterior; with `prior`, from that under another prior of the sd."""
    rng = np.random.default_rng(settings.seed)
    (block,) = design.blocks
    name, grid, log_prior = _grid(spec, rng, prior)
    W, beta0, V = _gaussian(spec, design)
    noise = np.square(_fixed(spec, "sigma")) * np.eye(design.n)
    covariances = np.stack([_covariance(spec, name, value, V, block.n_levels) for value in grid])
    marginal = W @ covariances @ W.T + noise
    residual = design.y - W[:, : len(beta0)] @ beta0
    log_density = log_prior - 0.5 * np.linalg.slogdet(marginal).logabsdet
    solved = np.linalg.solve(marginal, np.broadcast_to(residual[:, None], (len(grid), design.n, 1)))
    log_density -= 0.5 * residual @ solved[..., 0].T
    mass = np.exp(log_density - log_density.max())
    S = settings.chains * settings.draws
    cells = rng.choice(len(grid), S, p=mass / mass.sum())
    gain = covariances @ W.T
    means = (gain @ solved)[..., 0]
    spread = covariances - gain @ np.linalg.solve(marginal, np.swapaxes(gain, -1, -2))
    factors = np.linalg.cholesky(spread + 1e-12 * np.eye(spread.shape[-1]))
    w = means[cells] + np.einsum(
        "sij,sj->si", factors[cells], rng.standard_normal(means[cells].shape)
    )
    w[:, : len(beta0)] *= np.diag(V) > 0  # what is fixed stays where it is
    w[:, : len(beta0)] += beta0
    shape = (settings.chains, settings.draws)
    draws = {names.BETA: w[:, : len(beta0)].reshape(*shape, -1)}
    effects = w[:, len(beta0) :].reshape(*shape, block.n_levels, block.n_coefs)
    draws[names.effects("g")] = effects
    if name:
        width = (grid[1] - grid[0]) * (rng.random(S) - 0.5)
        draws[name] = (grid[cells] + width).reshape(*shape, 1)
    draws |= {n: np.full((*shape, 1), _fixed(spec, f"{n}[Intercept]")) for n in {"sd_g"} - {name}}
    if block.n_coefs == 2:
        draws["sd_g"] = np.repeat(draws["sd_g"], 2, axis=-1)
    draws["sigma"] = np.full(shape, _fixed(spec, "sigma"))
    return _tree(draws)


def _tree(draws: dict[str, Array]) -> xr.DataTree:
    axes = {name: [f"{name}_{k}" for k in range(x.ndim - 2)] for name, x in draws.items()}
    variables = {name: (("chain", "draw", *axes[name]), x) for name, x in draws.items()}
    return xr.DataTree.from_dict({"posterior": xr.Dataset(variables)})


def _fixed(spec: ModelSpec, name: str) -> float:
    prior = spec.priors[name]
    assert isinstance(prior, Fixed)
    return prior.value


def _grid(spec: ModelSpec, rng: np.random.Generator, prior: object) -> tuple[str, Array, Array]:
    """Return the unknown parameter's name, its grid and log prior."""
    (group,) = spec.groups
    if not isinstance(spec.priors["sd_g[Intercept]"], Fixed):
        edges = np.linspace(0, 4.5, POINTS + 1)
        grid = 0.5 * (edges[1:] + edges[:-1])
        return "sd_g", grid, (prior or spec.priors["sd_g[Intercept]"]).logpdf(grid)
    if group.covariance.pairs:
        edges = np.linspace(-1, 1, POINTS + 1)
        grid = 0.5 * (edges[1:] + edges[:-1])
        eta = spec.priors["cor_g"].eta
        return "cor_g", grid, (eta - 1) * np.log1p(-(grid**2))
    return "", np.zeros(1), np.zeros(1)


def _gaussian(spec: ModelSpec, design: Design) -> tuple[Array, Array, Array]:
    """Return the columns of coefficients and effects, and the coefficients' prior."""
    (block,) = design.blocks
    Z = np.zeros((design.n, block.n_levels * block.n_coefs))
    for k in range(block.n_coefs):
        Z[np.arange(design.n), block.codes * block.n_coefs + k] = block.Z[:, k]
    priors = [spec.priors[n if n in spec.priors else names.INTERCEPT_CENTERED] for n in spec.coefs]
    fixed = [isinstance(prior, Fixed) for prior in priors]
    mean = [p.value if f else p.mu for p, f in zip(priors, fixed, strict=True)]
    variance = [0.0 if f else p.sigma**2 for p, f in zip(priors, fixed, strict=True)]
    return np.column_stack([design.X, Z]), np.array(mean), np.diag(variance)


def _covariance(spec: ModelSpec, name: str, value: float, V: Array, levels: int) -> Array:
    (group,) = spec.groups
    q = len(group.coefs)
    sds = np.full(q, value if name == "sd_g" else _fixed(spec, "sd_g[Intercept]"))
    R = np.eye(q)
    if q == 2:
        R[0, 1] = R[1, 0] = value
    found = np.zeros((len(V) + levels * q,) * 2)
    found[: len(V), : len(V)] = V
    found[len(V) :, len(V) :] = np.kron(np.eye(levels), sds[:, None] * R * sds)
    return found


# What a sampler can do wrong.


def spoiled(change: Callable[..., None], sample: Sample = exact) -> Sample:
    """Return a sampler whose draws are changed afterwards."""
    return partial(_spoil, change, sample)


def _spoil(
    change: Callable[..., None],
    sample: Sample,
    spec: ModelSpec,
    design: Design,
    settings: Settings,
) -> xr.DataTree:
    tree = sample(spec, design, settings)
    posterior = {k: v.to_numpy().copy() for k, v in tree["posterior"].data_vars.items()}
    change(posterior, spec, np.random.default_rng([settings.seed, 7]))
    return _tree(posterior)


def narrow(draws: dict[str, Array], spec: ModelSpec, rng: np.random.Generator) -> None:
    for name in ("beta", "r_g"):
        mean = draws[name].mean(axis=(0, 1))
        draws[name] = mean + 0.7 * (draws[name] - mean)


def shifted(draws: dict[str, Array], spec: ModelSpec, rng: np.random.Generator) -> None:
    draws["beta"] += 0.5 * draws["beta"].std(axis=(0, 1))


def flipped(draws: dict[str, Array], spec: ModelSpec, rng: np.random.Generator) -> None:
    draws["cor_g"] *= -1


def effects_from_the_prior(
    draws: dict[str, Array], spec: ModelSpec, rng: np.random.Generator
) -> None:
    draws["r_g"] = draws["sd_g"][..., None, :] * rng.standard_normal(draws["r_g"].shape)


def all_from_the_prior(draws: dict[str, Array], spec: ModelSpec, rng: np.random.Generator) -> None:
    shape = draws["beta"].shape[:2]
    for name, values in draw_prior(spec, shape[0] * shape[1], rng).items():
        draws[name] = values.reshape(*shape, *values.shape[1:])


def die_once(
    folder: str, at: float, spec: ModelSpec, design: Design, settings: Settings
) -> xr.DataTree:
    """Kill the process the first time that a response is above `at` somewhere."""
    mark = Path(folder) / "died"
    if design.y.max() > at and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return exact(spec, design, settings)


def die(spec: ModelSpec, design: Design, settings: Settings) -> xr.DataTree:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def fail(spec: ModelSpec, design: Design, settings: Settings) -> xr.DataTree:
    raise RuntimeError("no luck")
