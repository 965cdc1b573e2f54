"""Levels that the model has not seen: which they are, and effects drawn for them.

The effects of a new level are one draw from N(0, Sigma) per posterior draw of Sigma. The stream of
random numbers is keyed on the seed, the factor and the label, so the same new level has the same
effects in every row, chunk and call with one seed, whatever other levels are there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hierlm.covariance import Covariance
from hierlm.design import Design, GroupBlock, Levels
from hierlm.design.levels import label
from hierlm.errors import DataError, did_you_mean
from hierlm.seeds import check_seed, generator
from hierlm.sources import read_columns
from hierlm.spec import ModelSpec

Array = NDArray[np.float64]
NewLevels = Literal["error", "sample", "population"]

_POLICIES = ("error", "sample", "population")
_SHOWN = 5


def check_policy(new_levels: str) -> None:
    """Refuse what is not a way to treat new levels."""
    if new_levels not in _POLICIES:
        raise DataError(
            f"new_levels is 'error', 'sample' or 'population'; came {new_levels!r}."
            f"{did_you_mean(new_levels, _POLICIES)}"
        )


def refuse(factor: str, labels: Sequence[str], known: Sequence[str]) -> None:
    """Raise an error that names new levels and says what can be done about them."""
    shown = ", ".join(map(repr, labels[:_SHOWN])) + (", ..." if len(labels) > _SHOWN else "")
    one = len(labels) == 1
    what = f"the level {shown}" if one else f"{len(labels)} levels that are new, {shown}"
    raise DataError(
        f"{factor!r} has {what}{', which the model has not seen' if one else ''}."
        f"{did_you_mean(labels[0], known) if one else ''}\n"
        f"  new_levels='sample' draws effects for {'it' if one else 'them'} from N(0, Sigma); "
        "new_levels='population' sets them to zero.\n"
        "  fit.condition(rows) learns them from rows that have a response."
    )


def name_levels(spec: ModelSpec, design: Design, newdata: Any) -> Design:
    """Return a design in which new levels have codes and labels too, after the learnt ones.

    Parameters
    ----------
    spec : ModelSpec
    design : Design
        Whose blocks have code -1 where a level was not learnt.
    newdata : data frame, dict of columns, or path
        The rows of `design`.

    Returns
    -------
    Design

    Raises
    ------
    DataError
        If two levels of a crossed factor have the same name.
    """
    if all((block.codes >= 0).all() for block in design.blocks):
        return design
    learnt = {group.factor: group.levels for group in spec.groups}
    blocks = tuple(_name(block, learnt[block.factor], newdata) for block in design.blocks)
    return replace(design, blocks=blocks)


def _name(block: GroupBlock, learnt: Levels, newdata: Any) -> GroupBlock:
    new = block.codes < 0
    if not new.any():
        return block
    frame = read_columns(newdata, learnt.columns)
    cells = np.zeros(int(new.sum()), dtype=np.int64)
    texts: Any = None
    for name in learnt.columns:
        codes, values = pd.factorize(frame[name].to_numpy()[new])
        own = np.array([label(value) for value in values], dtype=object)
        own_codes, distinct = pd.factorize(own)  # 1 and 1.0 read alike
        cells = pd.factorize(cells * len(distinct) + own_codes[codes])[0]
        part = np.asarray(distinct)[own_codes[codes]]
        texts = part if texts is None else texts + ":" + part
    codes, found = pd.factorize(texts)
    if len(found) != cells.max() + 1 or not set(found).isdisjoint(block.levels):
        raise DataError(
            f"two levels of {block.factor!r} have the same name, because labels contain ':'.\n"
            "  Replace ':' in the labels of these columns."
        )
    extended = block.codes.copy()
    extended[new] = block.n_levels + codes
    return replace(block, levels=(*block.levels, *map(str, found)), codes=extended)


@dataclass(frozen=True, eq=False)
class EffectSampler:
    r"""Effects of levels that the model has not seen.

    .. math:: b_{ls} = T_s z_{ls}, \qquad T_s T_s' = \Sigma_s, \qquad z_{ls} \sim N(0, I)

    Parameters
    ----------
    factor : str
    roots : ndarray of shape (S, q, q)
        A root T of the covariance matrix of every posterior draw.
    seed : int
    samples : slice or ndarray of int
        Which of the posterior's draws are wanted.
    """

    factor: str
    roots: Array
    seed: int
    samples: slice | NDArray[np.int64] = slice(None)

    def draw(self, labels: Sequence[str]) -> Array:
        """Return effects, an array of shape (len(labels), q, S')."""
        roots = self.roots[self.samples]
        drawn = np.empty((len(labels), roots.shape[1], len(roots)))
        for k, name in enumerate(labels):
            rng = keyed(self.seed, "level", self.factor, name)
            # for all draws, whichever are wanted, so that thinning changes none of them
            z = rng.standard_normal(self.roots.shape[:2])[self.samples]
            drawn[k] = np.einsum("sij,sj->is", roots, z)
        return drawn


def keyed(seed: int, *keys: str) -> np.random.Generator:
    """Return the generator that belongs to a seed and some text, the same on every machine."""
    digest = hashlib.blake2b("\0".join(keys).encode(), digest_size=16).digest()
    words = np.frombuffer(digest, dtype="<u4").tolist()
    return np.random.default_rng(np.random.SeedSequence([seed, *words]))


def covariance_root(covariance: Covariance, sd: Array, cor: Array) -> Array:
    """Return lower triangular T with T T' = Sigma, also where Sigma is singular.

    Parameters
    ----------
    covariance : Covariance
    sd : ndarray of shape (S, q)
    cor : ndarray of shape (S, n_pairs)

    Returns
    -------
    ndarray of shape (S, q, q)
    """
    R = covariance.correlation(cor)
    L = np.zeros_like(R)
    for j in range(R.shape[-1]):
        rest = R[:, j:, j] - np.einsum("sik,sk->si", L[:, j:, :j], L[:, j, :j])
        # correlations of a draw may round to one, where the pivot is nothing but noise
        pivot = np.sqrt(np.maximum(rest[:, 0], 0.0))[:, None]
        L[:, j:, j] = np.divide(rest, pivot, out=np.zeros_like(rest), where=pivot > 1e-8)
    return np.asarray(sd[:, :, None] * L)


def root_seed(seed: int | np.random.Generator | None) -> int:
    """Return the number from which every random stream of a call is derived.

    Raises
    ------
    DataError
        If `seed` is neither a whole number from 0 nor a generator.
    """
    check_seed(seed)
    if seed is None or isinstance(seed, np.random.Generator):
        return int(generator(seed).integers(2**63))
    return int(seed)
