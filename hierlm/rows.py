"""A specification with its rows, in memory or summed up, and the engine that would read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

import pandas as pd

from hierlm.building import build_from_chunks
from hierlm.design import Design
from hierlm.engines import Choice, choose_engine
from hierlm.errors import DataError, EngineError
from hierlm.families import Family
from hierlm.priors import PriorLike
from hierlm.sources import Chunks
from hierlm.spec import ModelSpec
from hierlm.tables import fill

if TYPE_CHECKING:
    from hierlm.design.crossproducts import CrossProducts

_NOT_KEPT = (
    "this needs the rows, which came in chunks and were summed up, not kept.\n"
    "  Give rows where a method takes them (newdata=), or make the model of a table in memory: "
    "hl.Model(formula, data)."
)


class WithRows:
    """A specification and its rows; or only their sums, where they came in chunks.

    Parameters
    ----------
    spec : ModelSpec
    rows : Design or CrossProducts
    frame : pandas.DataFrame or None
        The columns of the formula, complete rows only.
    """

    def __init__(
        self, spec: ModelSpec, rows: Design | CrossProducts, frame: pd.DataFrame | None
    ) -> None:
        self.spec = spec
        self._source = rows
        self._table = frame

    @property
    def rows(self) -> Design | CrossProducts:
        """The rows as numbers, or their cross-products where they were not kept."""
        return self._source

    @property
    def design(self) -> Design:
        """The rows as numbers.

        Raises
        ------
        DataError
            If they came in chunks, and were not kept.
        """
        if isinstance(self._source, Design):
            return self._source
        raise DataError(_NOT_KEPT)

    @property
    def frame(self) -> pd.DataFrame:
        """The columns of the formula, complete rows only.

        Raises
        ------
        DataError
            If they came in chunks, and were not kept.
        """
        if self._table is None:
            raise DataError(_NOT_KEPT)
        return self._table


class ModelRows(WithRows):
    """What a model is made of, and which engine would run it."""

    @classmethod
    def from_chunks(
        cls,
        formula: str,
        chunks: Chunks,
        *,
        family: str | Family = "gaussian",
        link: str | None = None,
        priors: Mapping[str, PriorLike] | None = None,
    ) -> Self:
        """Make a model of rows that are never in memory together.

        The chunks are read twice: once for the levels of factors, once to add up what the
        collapsed engine needs of the rows. Memory is that of a chunk and of the levels. The model
        and its default priors are those of all rows in one table.

        Parameters
        ----------
        formula : str
            Of a gaussian response with an identity link; without transforms that learn from all
            rows (``scale``, ``center``, ``poly``, splines).
        chunks : callable, list, or path
            A function without arguments that returns a fresh iterator of tables, such as
            ``lambda: pd.read_csv(path, chunksize=100_000)``; a list of tables or of paths; or
            the path of one Parquet file, which is read some rows at a time.
        family, link, priors
            See `Model`.

        Returns
        -------
        Model
            Without rows: what needs them (``fit.residuals``, ``fit.save``, predictions for the
            rows of the fit) is refused; predictions for new rows work.

        Raises
        ------
        FormulaError, DataError, FamilyError, PriorError, EngineError

        Examples
        --------
        >>> import hierlm as hl
        >>> data = hl.load_dataset("sleepstudy")
        >>> formula = "Reaction ~ Days + (Days | Subject)"
        >>> model = hl.Model.from_chunks(formula, [data[:100], data[100:]])
        >>> model.spec.n_rows
        180
        """
        spec, products = build_from_chunks(formula, chunks, family=family, link=link, priors=priors)
        model = cls.__new__(cls)
        WithRows.__init__(model, spec, products, None)
        model.engine()  # refuses what cannot be fitted, now rather than later
        return model

    def __repr__(self) -> str:
        kept = "" if self._table is not None else "\n\nThe rows came in chunks and are not kept."
        choice = self.engine()
        plan = choice.engine.plan(self.spec)
        lines = [fill(text, "  ") for text in (str(choice), plan) if text]
        return "\n".join([f"{self.spec}\n\nEngine", *lines]) + kept

    def engine(
        self, name: str = "auto", *, sampler: str = "nutpie", keep_standardized: bool = False
    ) -> Choice:
        """Return the engine that would run, and why.

        Parameters
        ----------
        name, sampler, keep_standardized
            As in `fit`: what only PyMC has (another sampler, ``z_g``) makes it the choice.

        Raises
        ------
        EngineError
            If there is no such engine, or it cannot do what is asked.
        """
        needs = f"sampler={sampler!r} was asked for" if sampler != "nutpie" else ""
        needs = "keep_standardized was asked for" if keep_standardized else needs
        if needs and name not in ("auto", "pymc"):
            raise EngineError(f"{needs}, which only the pymc engine has, not {name!r}.")
        choice = choose_engine(self.spec, name, needs_pymc=needs, rows=self._table is not None)
        if self._table is None and choice.engine.name != "collapsed":
            raise EngineError(
                "the rows came in chunks and were summed up, which only the collapsed engine can "
                f"use: {choice.reason}.\n  Read the rows into memory: hl.Model(formula, data)."
            )
        return choice
