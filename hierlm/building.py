"""From a formula and a table to a specification and a design, with every mistake refused."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from hierlm import names
from hierlm.design import Design, Dropped, Encoding, GroupEncoding
from hierlm.design.checks import (
    check_alike,
    check_design,
    design_notes,
    spans_constant,
    spans_last,
)
from hierlm.errors import (
    DataError,
    DesignWarning,
    EngineError,
    FamilyError,
    FormulaError,
    PriorError,
    did_you_mean,
    warn,
)
from hierlm.families import Family, get_family
from hierlm.families.scale import scale_words
from hierlm.formula import parse, unparse
from hierlm.priors import Fixed, Parameter, PriorLike, Priors, Scale, resolve
from hierlm.priors.parameters import coefficients, group_parameters, shapes
from hierlm.sources import Chunks
from hierlm.spec import ModelSpec, Parameterization

if TYPE_CHECKING:
    from hierlm.design.crossproducts import CrossProducts

_PARAMETERIZATIONS = ("noncentered", "centered")


def build(
    formula: str,
    data: Any,
    *,
    family: str | Family = "gaussian",
    link: str | None = None,
    priors: Mapping[str, PriorLike] | None = None,
    parameterization: Mapping[str, Parameterization] | Parameterization | None = None,
    functions: Mapping[str, Callable[..., Any]] | None = None,
) -> tuple[ModelSpec, Design, pd.DataFrame]:
    """Read a formula against a table.

    Parameters
    ----------
    formula : str
    data : data frame of any kind, dict of columns, or path to a CSV or Parquet file
    family : str or Family
    link : str, optional
    priors : dict of str to Prior, str or float, optional
    parameterization : dict of str to str, or str, optional
        ``"noncentered"`` (the default) or ``"centered"``, for all grouping factors or for some.
    functions : dict of str to callable, optional
        Further functions that the formula may call.

    Returns
    -------
    ModelSpec
    Design
    pandas.DataFrame
        The columns of the formula, complete rows only.

    Raises
    ------
    FormulaError, DataError, FamilyError, PriorError, EngineError
    """
    _check_functions(functions)
    parsed = parse(formula, functions=tuple(functions or ()))
    resolved = get_family(family, link)
    encoding, design, frame, dropped = Encoding.learn(parsed, data, functions)
    _check_family(resolved, encoding, design, dropped)
    _check_names(encoding, resolved)
    continuous = resolved.response == "continuous"
    notes = check_design(design, unparse(parsed.response.expression), continuous=continuous)
    for note in notes:
        warn(note, DesignWarning)
    level = encoding.common.terms.intercept or spans_constant(design.X)
    parameters = _parameters(resolved, encoding, design, level=level)
    assigned = resolve(parameters, {} if priors is None else priors)
    _check_fixed_correlations(assigned, encoding.groups)
    chosen = _parameterization(parameterization, tuple(g.factor for g in encoding.groups))
    spec = ModelSpec(encoding, resolved, assigned, chosen, design.n, dropped, notes)
    return spec, design, frame


def build_from_chunks(
    formula: str,
    chunks: Chunks,
    *,
    family: str | Family = "gaussian",
    link: str | None = None,
    priors: Mapping[str, PriorLike] | None = None,
) -> tuple[ModelSpec, CrossProducts]:
    """Read a formula against chunks of rows that are never in memory together.

    Parameters
    ----------
    formula, family, link, priors
        See `build`.
    chunks : callable, sequence of tables, or path
        See `hierlm.sources.chunks.open_chunks`; read twice.

    Returns
    -------
    ModelSpec
        The same, but for rounding, that `build` makes of all rows.
    CrossProducts
        Of all rows.

    Raises
    ------
    FormulaError, DataError, FamilyError, PriorError
    """
    parsed = parse(formula)
    resolved = get_family(family, link)
    if resolved.name != "gaussian" or resolved.link.name != "identity":
        raise FamilyError(
            f"rows in chunks are summed up, which only a gaussian with an identity link allows, "
            f"not {resolved.name} with {resolved.link.name}.\n"
            "  Read the rows into memory: hl.Model(formula, data, family=...)."
        )
    streaming = importlib.import_module("hierlm.design.streaming")  # loads numba

    def check(encoding: Encoding, design: Design, dropped: Dropped) -> None:
        _check_family(resolved, encoding, design, dropped)

    streamed = streaming.stream(parsed, chunks, check)
    encoding, alike = streamed.encoding, streamed.two_rows()
    _check_names(encoding, resolved)
    check_alike(alike, streamed.triangle, streamed.n, unparse(parsed.response.expression))
    notes = tuple(design_notes(alike, continuous=True))
    for note in notes:
        warn(note, DesignWarning)
    level = encoding.common.terms.intercept or spans_last(streamed.triangle)
    parameters = _parameters(resolved, encoding, alike, level=level)
    assigned = resolve(parameters, {} if priors is None else priors)
    _check_fixed_correlations(assigned, encoding.groups)
    chosen = _parameterization(None, tuple(g.factor for g in encoding.groups))
    dropped = streamed.dropped
    spec = ModelSpec(encoding, resolved, assigned, chosen, streamed.n, dropped, notes)
    return spec, streamed.products


def extend(
    spec: ModelSpec, design: Design, frame: pd.DataFrame, data: Any
) -> tuple[ModelSpec, Design, pd.DataFrame]:
    """Add rows to a model, which stays the same: priors and encoding are held as they are.

    Default priors and the state of transforms come from the rows that the model was first read
    against; only grouping factors gain levels.

    Parameters
    ----------
    spec, design, frame
        As `build` or `extend` returned them.
    data : data frame of any kind, dict of columns, or path to a CSV or Parquet file
        Further rows.

    Returns
    -------
    ModelSpec, Design, pandas.DataFrame
        Of all rows.

    Raises
    ------
    DataError, FamilyError
    """
    encoding, grown, rows, dropped = spec.encoding.extend(design, frame, data)
    dropped = spec.dropped + dropped
    _check_family(spec.family, encoding, grown, dropped)
    response = unparse(encoding.formula.response.expression)
    notes = check_design(grown, response, continuous=spec.family.response == "continuous")
    for note in notes:
        if note not in spec.notes:
            warn(note, DesignWarning)
    added = spec.added_rows + grown.n - design.n
    extended = replace(
        spec, encoding=encoding, n_rows=grown.n, dropped=dropped, notes=notes, added_rows=added
    )
    return extended, grown, rows


def extend_sums(
    spec: ModelSpec, products: CrossProducts, data: Any
) -> tuple[ModelSpec, CrossProducts]:
    """Add rows to a model whose rows are summed up: as `extend`, new levels behind the others.

    Parameters
    ----------
    spec : ModelSpec
    products : CrossProducts
    data : data frame of any kind, dict of columns, or path to a CSV or Parquet file

    Returns
    -------
    ModelSpec, CrossProducts
        Of all rows.

    Raises
    ------
    DataError, FamilyError
    """
    encoding, design, places, dropped = spec.encoding.extend_levels(data)
    _check_family(spec.family, encoding, design, dropped)
    sizes = [len(group.levels.labels) for group in encoding.groups]
    total = products.recoded(places, sizes).add(design)
    extended = replace(
        spec,
        encoding=replace(encoding, nested=total.nested()),
        n_rows=spec.n_rows + design.n,
        dropped=spec.dropped + dropped,
        added_rows=spec.added_rows + design.n,
    )
    return extended, total


def _check_functions(functions: Mapping[str, Callable[..., Any]] | None) -> None:
    if functions is None:
        return
    if not isinstance(functions, Mapping):
        raise FormulaError(
            f"functions are a dict of name and function; came {functions!r}.",
            hint="Write functions={'f': f}.",
        )
    for name, function in functions.items():
        if not isinstance(name, str) or not name.isidentifier() or not callable(function):
            raise FormulaError(
                f"functions are a dict of name and function; came {name!r}: {function!r}.",
                hint="A name is letters, digits and underscores, as a formula calls it: f(x).",
            )


def _check_names(encoding: Encoding, family: Family) -> None:
    """Refuse columns that would take the name of something else in the posterior."""
    owners = dict.fromkeys((*names.RESERVED_VARIABLES, *family.shape_names), "another quantity")
    for group in encoding.groups:
        for name in names.of_factor(group.factor):
            if name in owners:
                raise DataError(
                    f"the grouping factor {group.factor!r} needs the name {name!r} in the "
                    f"posterior, which is taken by {owners[name]}.\n"
                    "  Rename the column."
                )
            owners[name] = f"the grouping factor {group.factor!r}"
    response = names.safe(unparse(encoding.formula.response.expression))
    if response in owners:
        raise DataError(
            f"the response is called {response!r}, a name in the posterior that is taken by "
            f"{owners[response]}.\n  Rename the column."
        )


def _check_fixed_correlations(priors: Priors, groups: tuple[GroupEncoding, ...]) -> None:
    """Refuse a negative correlation that so many coefficients cannot all have."""
    for group in groups:
        q = max((len(part) for part in group.covariance.correlated_parts), default=0)
        name = names.cor(group.factor)
        prior = priors[name] if q else None
        if isinstance(prior, Fixed) and prior.value * (q - 1) <= -1:
            raise PriorError(
                f"{name!r} cannot be fixed at {prior.value:g}: {q} coefficients cannot all have "
                f"correlations of {-1 / (q - 1):.3g} or less.\n  Write LKJ(2), or a number above."
            )


def _check_family(family: Family, encoding: Encoding, design: Design, dropped: Dropped) -> None:
    formula, values = encoding.formula, encoding.values
    name = unparse(formula.response.expression)
    levels = values.response.levels if values.response is not None else None
    if levels is not None and (family.response != "binary" or len(levels) != 2):
        _refuse_categories(family, name, levels)
    if design.trials is not None and family.response != "trials":
        raise FamilyError(
            f"the formula gives a number of trials, and family {family.name} has none.\n"
            "  Did you mean family='binomial'?"
        )
    if design.se is not None and family.name not in ("gaussian", "student"):
        raise FamilyError(
            f"se() gives known standard deviations, and family {family.name} has no sigma.\n"
            "  It works with the families gaussian and student."
        )
    # after rows were dropped, a position is not a row of the user's table
    rows = [f"{i} of those used" for i in range(design.n)] if dropped.rows else None
    family.check_response(design.response, design.trials, name=name, labels=rows)


def _refuse_categories(family: Family, name: str, levels: tuple[str, ...]) -> None:
    shown = ", ".join(levels[:4]) + (", ..." if len(levels) > 4 else "")
    if all(map(_is_number, levels)):
        raise FamilyError(
            f"the response {name} holds numbers stored as text or categories ({shown}).\n"
            f"  Convert them: df[{name!r}] = pd.to_numeric(df[{name!r}])."
        )
    if family.response == "binary":
        one = len(levels) == 1
        hint = "Is it the right column, or was the table filtered?"
        if not one:
            hint = f"Choose one: df[{name!r}] = (df[{name!r}] == {levels[0]!r}).astype(int)."
        raise FamilyError(
            f"the response {name} has {len(levels)} categor{'y' if one else 'ies'} ({shown}); "
            f"family {family.name} needs two, of which the second counts as success.\n  {hint}"
        )
    raise FamilyError(
        f"the response {name} is categorical ({shown}); family {family.name} needs numbers.\n"
        "  For two categories use family='bernoulli'; more than two are not supported."
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _parameters(
    family: Family, encoding: Encoding, design: Design, *, level: bool
) -> tuple[Parameter, ...]:
    y, weights, offset = design.response, design.weights, design.offset
    location, scale = family.location_scale(y, design.trials, weights, offset)
    words = scale_words(family.link, family.working_name, offset=offset is not None)
    response = Scale(location, scale, words)
    common = encoding.common
    parameters = [*coefficients(common.names, common.sizes, common.rms, response)]
    for group in encoding.groups:
        sizes = [size for columns, _ in group.bars for size in columns.sizes]
        parameters += group_parameters(
            group.factor, group.coefs, sizes, group.covariance, response, common_level=level
        )
    known = {"sigma"} if design.se is not None else set()
    found = shapes(family, family.shape_scale(y, weights, offset))
    parameters += [parameter for parameter in found if parameter.name not in known]
    return tuple(parameters)


def _parameterization(
    given: Mapping[str, Parameterization] | Parameterization | None, factors: tuple[str, ...]
) -> Mapping[str, Parameterization]:
    allowed = "allowed: 'noncentered', 'centered'"
    if isinstance(given, str):
        if given not in _PARAMETERIZATIONS:
            raise EngineError(f"parameterization is {given!r}; {allowed}.")
        given = dict.fromkeys(factors, given)
    given = {} if given is None else given
    if not isinstance(given, Mapping):
        raise EngineError(
            f"parameterization is {given!r}; {allowed}, or a dict of grouping factor and one of "
            "these."
        )
    for factor, value in given.items():
        if factor not in factors:
            raise EngineError(
                f"parameterization names {factor!r}, which is no grouping factor of this model."
                f"{did_you_mean(factor, factors)}\n  There are: {', '.join(factors) or 'none'}."
            )
        if value not in _PARAMETERIZATIONS:
            raise EngineError(f"parameterization of {factor!r} is {value!r}; {allowed}.")
    return {factor: given.get(factor, "noncentered") for factor in factors}
