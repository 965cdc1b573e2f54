"""ModelSpec: formula, encoding, family, priors. It never holds rows; its repr is a full report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from hierlm import names
from hierlm.design import Dropped, Encoding, GroupEncoding
from hierlm.errors import DataError, did_you_mean
from hierlm.families import Family, Shape
from hierlm.formula import unparse
from hierlm.priors import Priors
from hierlm.tables import columns_of_text, fill

Parameterization = Literal["noncentered", "centered"]


@dataclass(frozen=True)
class ModelSpec:
    """What a model is, apart from the rows.

    Parameters
    ----------
    encoding : Encoding
        The formula, and how a table becomes numbers.
    family : Family
    priors : Priors
    parameterization : dict of str to str
        ``"noncentered"`` or ``"centered"`` for every grouping factor.
    n_rows : int
        Rows of the model.
    dropped : Dropped
        Rows that were left out.
    notes : tuple of str
        What the check of the design found.
    added_rows : int
        How many of the rows were added later: encoding and default priors come from the others.
    """

    encoding: Encoding
    family: Family
    priors: Priors
    parameterization: Mapping[str, Parameterization]
    n_rows: int
    dropped: Dropped
    notes: tuple[str, ...]
    added_rows: int = 0

    @property
    def formula(self) -> str:
        """The formula as it was written."""
        return self.encoding.formula.text

    @property
    def response(self) -> str:
        """The response as written, without what NumPy and netCDF refuse in a name."""
        return names.safe(unparse(self.encoding.formula.response.expression))

    @property
    def coefs(self) -> tuple[str, ...]:
        """Names of the common effects."""
        return self.encoding.common.names

    @property
    def groups(self) -> tuple[GroupEncoding, ...]:
        """The grouping factors."""
        return self.encoding.groups

    def group(self, factor: str | None = None) -> GroupEncoding:
        """Return a grouping factor by name, or the only one.

        Raises
        ------
        DataError
            If there is no such factor, or none is named and there are several.
        """
        known = [group.factor for group in self.groups]
        if factor is None and len(known) == 1:
            return self.groups[0]
        if factor not in known:
            what = (
                "name a grouping factor"
                if factor is None
                else (f"no grouping factor is called {factor!r}.{did_you_mean(factor, known)}")
            )
            raise DataError(f"{what}\n  This model has: {', '.join(known) or 'none'}.")
        return self.groups[known.index(factor)]

    @property
    def has_intercept(self) -> bool:
        """Whether there is a common intercept."""
        return self.encoding.common.terms.intercept

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """The constant distributional parameters, without a sigma that is known row by row."""
        known = {"sigma"} if self.encoding.values.se is not None else set()
        return tuple(shape for shape in self.family.shapes if shape.name not in known)

    def __str__(self) -> str:
        return _report(self)

    __repr__ = __str__


def _report(spec: ModelSpec) -> str:
    sections = [f"  {spec.formula}", "", *_facts(spec), "", "Priors", *_prior_table(spec)]
    if spec.notes:
        sections += ["", "Notes", *(fill(note, "  - ") for note in spec.notes)]
    return "\n".join(["hierlm model", *sections])


def _facts(spec: ModelSpec) -> list[str]:
    family, values = spec.family, spec.encoding.values
    response = unparse(spec.encoding.formula.response.expression)
    rows = [("Family", f"{family.name}, {family.link.name} link")]
    success = values.response.levels if values.response is not None else None
    rows.append(("Response", response + (f", success is {success[-1]!r}" if success else "")))
    extras = {"trials": values.trials, "weights": values.weights, "known sd": values.se}
    rows += [(key.capitalize(), value.text) for key, value in extras.items() if value is not None]
    rows += [("Offset", offset.text) for offset in values.offsets]
    added = f", {spec.added_rows:,} of them added later" if spec.added_rows else ""
    rows.append(("Rows", f"{spec.n_rows:,}{added} ({spec.dropped})"))
    rows.append(("Common", ", ".join(spec.coefs) or "none"))
    for group in spec.groups:
        levels, covariance = len(group.levels.labels), group.covariance
        text = f"{group.factor}, {levels:,} levels: {', '.join(group.coefs)}; {covariance.kind}"
        if covariance.size > 1:
            text += f" ({covariance.n_parameters} parameters)"
        if spec.parameterization[group.factor] == "centered":
            text += ", centered"
        rows.append(("Group", text))
    return columns_of_text(rows)


def _prior_table(spec: ModelSpec) -> list[str]:
    rows = []
    for item in spec.priors:
        origin = "" if item.origin == item.name else f" as {item.origin!r}"
        why = f"default: {item.reason}" if item.is_default else f"given{origin}"
        rows.append((item.name, str(item.prior), why))
    return columns_of_text(rows)
