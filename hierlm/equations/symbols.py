"""What the parts of a model are called: coefficients, effects, factors, and their numbers.

A slot is a column that common effects, group-specific effects, or both multiply. Its number is the
index of all of them: ``Days`` with number 1 has the common effect β₁ and the deviations u₁ⱼ.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from hierlm import names
from hierlm.design import Design, GroupEncoding
from hierlm.equations.expressions import (
    ALPHA,
    KAPPA,
    NU,
    RHO,
    SIGMA,
    Math,
    name,
    number,
    script,
    symbol,
    word,
)
from hierlm.formula import unparse
from hierlm.priors import Fixed
from hierlm.spec import ModelSpec

_INDICES = "jklmhrstxeo"
_EFFECTS = "uvwacdfgpqz"
_SIGMA = SIGMA
_SHAPES = {
    "sigma": _SIGMA,
    "nu": NU,
    "alpha": ALPHA,
    "kappa": KAPPA,
}


@dataclass(frozen=True)
class Slot:
    """A column, and what multiplies it.

    Parameters
    ----------
    label : str
    number : int
        The index of its coefficients; the intercept has 0.
    common : bool
        Whether it has a common effect.
    """

    label: str
    number: int
    common: bool

    @property
    def constant(self) -> bool:
        """Whether it is the intercept."""
        return self.label == names.INTERCEPT

    def column(self, index: str = "i") -> Math | None:
        """Return the column at an index; None for the intercept."""
        return None if self.constant else script(name(self.label), (index,))


@dataclass(frozen=True, eq=False)
class Factor:
    """A grouping factor.

    Parameters
    ----------
    group : GroupEncoding
    effect : str
        The letter of its effects: u, v, w.
    index : str
        The letter of its levels: j, k, l.
    slots : tuple of Slot
        What varies, in the order of its coefficients.
    """

    group: GroupEncoding
    effect: str
    index: str
    slots: tuple[Slot, ...]

    @property
    def label(self) -> str:
        """Its name."""
        return self.group.factor

    @property
    def n_levels(self) -> int:
        """Number of levels, J."""
        return len(self.group.levels.labels)

    @property
    def size(self) -> int:
        """Number of coefficients that vary, q."""
        return len(self.slots)

    @property
    def of_row(self) -> str:
        """The index of the level of row i: ``j[i]``."""
        return f"{self.index}[i]"

    def where(self, slot: Slot) -> int | None:
        """Return the position of a slot among those that vary here."""
        return self.slots.index(slot) if slot in self.slots else None

    def effect_of(self, slot: Slot, index: str) -> Math:
        """Return the deviation of a level; without a number where only one varies."""
        sub = (index,) if self.size == 1 else (str(slot.number), index)
        return script(symbol(self.effect), sub)

    def vector(self, *index: str) -> Math:
        """Return the vector of effects: of one level, or of all levels."""
        if self.size == 1 and index:
            return script(symbol(self.effect), index)
        return script(symbol(rf"\mathbf{{{self.effect}}}", self.effect), index)


@dataclass(frozen=True)
class Symbols:
    """The symbols of a model.

    Parameters
    ----------
    spec : ModelSpec
    design : Design or None
        The rows, which tell nesting and predictors of levels.
    values : dict of str to str
        Numbers to put in place of parameters, by the names of `hierlm.priors.Priors`
        (``Days``, ``sd_Subject[Days]``, ``cor_Subject[Intercept, Days]``, ``sigma``).
    fixed : bool
        Whether fixed parameters stand as numbers.
    """

    spec: ModelSpec
    design: Design | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    fixed: bool = True

    @functools.cached_property
    def slots(self) -> tuple[Slot, ...]:
        """The columns with a common effect, then those that only vary."""
        common = self.spec.encoding.common.names
        first = 0 if names.INTERCEPT in common else 1
        return tuple(Slot(label, k + first, True) for k, label in enumerate(common))

    @functools.cached_property
    def factors(self) -> tuple[Factor, ...]:
        """The grouping factors, with letters."""
        extra: dict[tuple[str, float, float], Slot] = {}
        found = []
        for k, group in enumerate(self.spec.groups):
            slots = tuple(self._slot(key, extra) for key in _moments(group))
            found.append(Factor(group, _letter(_EFFECTS, k), _letter(_INDICES, k), slots))
        return tuple(found)

    def _slot(
        self, key: tuple[str, float, float], extra: dict[tuple[str, float, float], Slot]
    ) -> Slot:
        """Return the common effect of the same column, or a slot of its own."""
        label, mean, rms = key
        columns = self.spec.encoding.common
        if label in columns.names:
            at = columns.names.index(label)
            # one name can stand for two codings of a factor
            if np.allclose((columns.means[at], columns.rms[at]), (mean, rms), rtol=1e-9):
                return self.slots[at]
        if key not in extra:
            last = max((slot.number for slot in self.slots), default=0)
            taken = sum(slot.number > 0 for slot in extra.values())
            constant = label == names.INTERCEPT
            extra[key] = Slot(label, 0 if constant else last + taken + 1, False)
        return extra[key]

    @functools.cached_property
    def varying(self) -> tuple[Slot, ...]:
        """The slots that vary by some factor, the common ones first."""
        found = {slot for factor in self.factors for slot in factor.slots}
        return tuple(sorted(found, key=lambda slot: (not slot.common, slot.number, slot.label)))

    @functools.cached_property
    def all_slots(self) -> tuple[Slot, ...]:
        """Every slot, the intercept first."""
        found = [*self.slots, *(slot for slot in self.varying if not slot.common)]
        return tuple(sorted(found, key=lambda slot: slot.number))

    # -- parameters ---------------------------------------------------------------------------

    def _number(self, parameter: str, prior: str | None = None) -> Math | None:
        """Return the number of a parameter: from a fit, or because it is fixed."""
        if parameter in self.values:
            return number(self.values[parameter])
        prior = parameter if prior is None else prior
        given = self.spec.priors[prior] if prior in self.spec.priors else None  # noqa: SIM401
        return number(f"{given.value:g}") if self.fixed and isinstance(given, Fixed) else None

    def beta(self, slot: Slot) -> Math:
        """Return a common effect."""
        return self._number(slot.label) or self.beta_symbol(slot)

    @staticmethod
    def beta_symbol(slot: Slot, *index: str, letter: str = "") -> Math:
        """Return the symbol of a common effect, or of a level's coefficient."""
        base = symbol(letter) if letter else symbol(r"\beta", "β")
        return script(base, (str(slot.number), *index))

    def sd(self, factor: Factor, k: int) -> Math:
        """Return the sd of the k-th effect of a factor."""
        return self._number(self.sd_name(factor, k)) or self.sd_symbol(factor, k)

    @staticmethod
    def sd_name(factor: Factor, k: int) -> str:
        """Return the name of the sd of the k-th effect."""
        return names.element(names.sd(factor.label), factor.slots[k].label)

    @staticmethod
    def sd_symbol(factor: Factor, k: int) -> Math:
        """Return the symbol of the sd of the k-th effect."""
        sub = () if factor.size == 1 else (str(factor.slots[k].number),)
        return script(_SIGMA, (factor.effect, *sub))

    def cor(self, factor: Factor, a: int, b: int) -> Math:
        """Return the correlation of the effects a < b of a factor."""
        variable = names.cor(factor.label)
        element = names.element(variable, names.pair(factor.slots[a].label, factor.slots[b].label))
        numbers = [str(factor.slots[a].number), str(factor.slots[b].number)]
        sub = (factor.effect, *(numbers if factor.size > 2 else ()))
        return self._number(element, variable) or script(RHO, sub)

    def shape(self, parameter: str) -> Math:
        """Return sigma, nu, alpha or kappa."""
        return self._number(parameter) or _SHAPES[parameter]

    @staticmethod
    def shape_symbol(parameter: str) -> Math:
        """Return the symbol of sigma, nu, alpha or kappa."""
        return _SHAPES[parameter]

    @property
    def row_sd(self) -> Math:
        """The residual sd of row i: sigma, or the one that is known."""
        known = self.spec.encoding.values.se
        return self.shape("sigma") if known is None else _row_value(known.text)

    # -- rows ---------------------------------------------------------------------------------

    @property
    def response_text(self) -> str:
        """The response as written."""
        return unparse(self.spec.encoding.formula.response.expression)

    def response(self, *index: str) -> Math:
        """Return the response; of a lognormal its logarithm, which the model is linear in."""
        y = script(name(self.response_text), index)
        if self.spec.family.name != "lognormal":
            return y
        return Math(rf"\log {y.latex}", word(f"log {y.text}").box)

    @property
    def offsets(self) -> tuple[Math, ...]:
        """The offsets of row i."""
        return tuple(_row_value(offset.text) for offset in self.spec.encoding.values.offsets)

    @property
    def trials(self) -> Math | None:
        """The number of trials of row i."""
        value = self.spec.encoding.values.trials
        return None if value is None else _row_value(value.text)

    @property
    def weight(self) -> Math | None:
        """The frequency weight of row i."""
        value = self.spec.encoding.values.weights
        return None if value is None else _row_value(value.text)


def _row_value(text: str) -> Math:
    """Return a value of row i: a column with an index, or a constant."""
    try:
        return number(f"{float(text):g}")
    except ValueError:
        return script(name(text), ("i",))


def _moments(group: GroupEncoding) -> list[tuple[str, float, float]]:
    return [
        moments
        for columns, _ in group.bars
        for moments in zip(columns.names, columns.means, columns.rms, strict=True)
    ]


def _letter(letters: str, k: int) -> str:
    """Return the k-th letter; beyond the alphabet they are numbered."""
    return letters[k] if k < len(letters) else f"{letters[-1]}{k - len(letters) + 2}"
