"""The quantities that a hypothesis can name: what they are called, and their draws.

====================  =====================================  =====================
quantity              written                                also
====================  =====================================  =====================
common effect         ``Days``, ``treat[B]``, ``I(x ** 2)``  ``beta[Days]``
sd of a factor        ``sd_Subject[Days]``                   ``sd_Batch``
correlation           ``cor_Subject[Intercept, Days]``       ``cor_Subject``
group-specific        ``r_Subject[308, Days]``               ``r_Batch[A]``
of the family         ``sigma``, ``nu``, ``alpha``
====================  =====================================  =====================

The last column is for a factor that has one such element. Names are those of `fit.summary`;
spaces do not count, and backticks may stand around any part.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hierlm import names
from hierlm.design import GroupEncoding
from hierlm.errors import did_you_mean
from hierlm.priors.spelling import canonical
from hierlm.spec import ModelSpec
from hierlm.summaries import drawn

Array = NDArray[np.float64]
Kind = Literal["coefficient", "sd", "correlation", "effect", "shape"]

_SHOWN = 12


@dataclass(frozen=True)
class Element:
    """One number of the posterior.

    Parameters
    ----------
    kind : str
    variable : str
        The posterior variable.
    where : tuple of (str, str)
        Dims and their coordinates.
    factor : str or None
        The grouping factor, of what belongs to one.
    """

    kind: Kind
    variable: str
    where: tuple[tuple[str, str], ...] = ()
    factor: str | None = None


@dataclass(frozen=True)
class Quantities:
    """The quantities of one model; a `Namespace` for hypotheses.

    Parameters
    ----------
    spec : ModelSpec

    Examples
    --------
    >>> import hierlm as hl
    >>> model = hl.Model("Reaction ~ Days + (Days | Subject)", hl.load_dataset("sleepstudy"))
    >>> quantities = Quantities(model.spec)
    >>> quantities.find("r_Subject[308,Days]"), quantities.find("cor_Subject")
    ('r_Subject[308, Days]', 'cor_Subject[Intercept, Days]')
    >>> quantities.explain("sd_Subjct")
    ("no quantity is called 'sd_Subjct'.", "Did you mean 'sd_Subject[Days]'?")
    """

    spec: ModelSpec

    @cached_property
    def elements(self) -> dict[str, Element]:
        """Every quantity but the group-specific effects, by its full name."""
        spec = self.spec
        found = {
            name: Element("coefficient", names.BETA, ((names.COEF, name),)) for name in spec.coefs
        }
        for group in spec.groups:
            factor = group.factor
            for kind, variable, dim, coords in (
                ("sd", names.sd(factor), names.coef_dim(factor), group.coefs),
                ("correlation", names.cor(factor), names.cor_dim(factor), _pairs(group)),
            ):
                for coord in coords:
                    element = Element(kind, variable, ((dim, coord),), factor)  # type: ignore[arg-type]
                    found[names.element(variable, coord)] = element
        return found | {shape.name: Element("shape", shape.name) for shape in spec.shapes}

    @cached_property
    def _spelled(self) -> dict[str, str]:
        """Full names by what they read without spaces and backticks."""
        full = {_plain(name): name for name in self.elements}
        full |= {_plain(names.element(names.BETA, name)): name for name in self.spec.coefs}
        for group in self.spec.groups:
            cor, sd = names.cor(group.factor), names.sd(group.factor)
            if len(group.coefs) == 1:
                full.setdefault(_plain(sd), names.element(sd, group.coefs[0]))
            if len(_pairs(group)) == 1:
                full.setdefault(_plain(cor), names.element(cor, _pairs(group)[0]))
            for i, j in group.covariance.pairs:  # a pair reads the same both ways
                first, second = group.coefs[i], group.coefs[j]
                reverse = names.element(cor, names.pair(second, first))
                full.setdefault(_plain(reverse), names.element(cor, names.pair(first, second)))
        return full

    def find(self, written: str) -> str | None:
        """Return the full name of a quantity as written, None where there is none."""
        if written in self.elements:
            return written
        for spelling in (_plain(written), _plain(canonical(written.replace("`", "")))):
            if spelling in self._spelled:
                return self._spelled[spelling]
        effect = self._effect(written)
        return None if effect is None else _effect_name(*effect)

    def element(self, name: str) -> Element:
        """Return a quantity by its full name."""
        if name in self.elements:
            return self.elements[name]
        effect = self._effect(name)
        if effect is None:
            raise KeyError(name)
        factor, level, coef = effect
        where = ((names.levels_dim(factor), level), (names.coef_dim(factor), coef))
        return Element("effect", names.effects(factor), where, factor)

    def draws(self, idata: xr.DataTree, name: str) -> Array:
        """Return the draws of a quantity by its full name, of shape (chains, draws)."""
        element = self.element(name)
        variable = drawn(idata, element.variable).sel(dict(element.where))
        return np.asarray(variable.transpose(*names.SAMPLE_DIMS).to_numpy(), dtype=np.float64)

    def _effect(self, written: str) -> tuple[str, str, str] | None:
        """Return factor, level and coefficient of ``r_factor[level, coef]``."""
        text = written.replace("`", "")
        for group in self.spec.groups:
            stem = names.effects(group.factor) + "["
            if not (_plain(text).startswith(_plain(stem)) and text.endswith("]")):
                continue
            inside = text[text.index("[", _start(text, group.factor)) + 1 : -1]
            coefs = {_plain(name): name for name in group.coefs}
            if len(group.coefs) == 1 and inside.strip() in group.levels.labels:
                return group.factor, inside.strip(), group.coefs[0]
            for at in (i for i, character in enumerate(inside) if character == ","):
                level, coef = inside[:at].strip(), inside[at + 1 :]
                coef = coefs.get(_plain(coef)) or coefs.get(_plain(canonical(coef.strip()))) or ""
                if level in group.levels.labels and coef:
                    return group.factor, level, coef
        return None

    def explain(self, written: str) -> tuple[str, str]:
        """Say why there is no quantity of this name, and what to write instead."""
        message = f"no quantity is called {written!r}."
        for group in self.spec.groups:
            variable = names.effects(group.factor)
            if not written.replace("`", "").startswith(variable):
                continue
            level, coef = group.levels.labels[0], group.coefs[-1]
            hint = f"Write {variable}[level, coefficient], as in {variable}[{level}, {coef}]"
            near = self._near_effect(group, written)
            return message, f"{hint}.{near} Coefficients: {', '.join(group.coefs)}."
        if _plain(written) in {names.INTERCEPT_CENTERED, names.BETA}:
            return message, f"The coefficients are {', '.join(self.spec.coefs[:_SHOWN])}."
        near = did_you_mean(written.replace("`", ""), self.elements).strip()
        known = list(self.elements)
        more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
        return message, near or f"This model has: {', '.join(known[:_SHOWN])}{more}."

    def _near_effect(self, group: GroupEncoding, written: str) -> str:
        """Say which level was meant, if a level is what is wrong."""
        inside = written.partition("[")[2].rpartition("]")[0]
        level = inside.partition(",")[0].strip()
        if not level or level in group.levels.labels:
            return ""
        return f" {level!r} is no level.{did_you_mean(level, group.levels.labels)}"


def _pairs(group: GroupEncoding) -> list[str]:
    """Return the coordinates of a factor's correlations, in order."""
    coefs = group.coefs
    return [names.pair(coefs[i], coefs[j]) for i, j in group.covariance.pairs]


def _plain(name: str) -> str:
    """Return a name without spaces and backticks."""
    return "".join(name.replace("`", "").split())


def _start(text: str, factor: str) -> int:
    """Return where the bracket after the factor can begin: its name may have brackets too."""
    wanted = len(_plain(names.effects(factor)))
    seen = 0
    for position, character in enumerate(text):
        if seen == wanted:
            return position
        seen += not character.isspace()
    return 0


def _effect_name(factor: str, level: str, coef: str) -> str:
    return names.element(names.effects(factor), f"{level}, {coef}")
