"""The same model with more rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from hierlm import names
from hierlm.building import extend, extend_sums
from hierlm.design import Design
from hierlm.engines import choose_engine, settings
from hierlm.errors import ConvergenceWarning, warn
from hierlm.results.base import Posterior
from hierlm.spec import ModelSpec

if TYPE_CHECKING:
    from hierlm.design.crossproducts import CrossProducts


class Updating(Posterior):
    """More rows for a model that has been fitted."""

    def update(
        self,
        new_rows: Any,
        *,
        draws: int | None = None,
        tune: int | None = None,
        chains: int | None = None,
        cores: int | None = None,
        seed: int | np.random.Generator | None = None,
        engine: str | None = None,
        target_accept: float | None = None,
        effects: str | None = None,
        progress: bool = True,
        sampler_options: Mapping[str, Any] | None = None,
    ) -> Self:
        """Return the fit of the same model to the rows that it has and further ones.

        It is the same model with more data: priors stay as they are, defaults included, and so do
        contrasts, the places of knots, what `scale` and `poly` learnt, and the means at which
        `Intercept_centered` has its prior; all of these come from the rows of the first fit.
        Grouping factors gain the levels that are new. (`hierlm.fit` with all rows would choose
        other default priors, by the scale of all rows.)

        The collapsed engine starts at draws of this fit, with a shorter warm-up; of rows that
        came in chunks the sums are added to. Other engines fit all rows from the beginning.

        Parameters
        ----------
        new_rows : data frame of any kind, dict of columns, or path
            With the columns of the formula. Rows with missing values are left out and counted.
        draws, chains, target_accept, effects : optional
            See `Model.fit`; as in this fit when not given.
        tune : int, optional
            Iterations of warm-up; where the engine starts at draws of this fit it needs fewer.
        cores, seed, progress, sampler_options : optional
            See `Model.fit`.
        engine : str, optional
            The one of this fit when not given.

        Returns
        -------
        Fit

        Raises
        ------
        DataError, FamilyError
            If a column is missing or has become another kind of column, or a categorical
            predictor has a level that is new: it would need another coefficient, and so another
            model.
        EngineError
            If a setting is wrong, or there are now more levels than the engine can take.

        Warns
        -----
        ConvergenceWarning
            If the draws should not be trusted.

        Examples
        --------
        >>> import hierlm as hl
        >>> data = hl.load_dataset("sleepstudy")
        >>> early, late = data[data.Days < 8], data[data.Days >= 8]
        >>> formula = "Reaction ~ Days + (Days | Subject)"
        >>> fit = hl.fit(formula, early, draws=500, seed=1, progress=False)
        >>> updated = fit.update(late, seed=2, progress=False)
        >>> fit.spec.n_rows, updated.spec.n_rows
        (144, 180)
        """
        spec, rows, frame = self._extended(new_rows)
        attrs, posterior = self.idata.attrs, self.idata["posterior"]
        kept = any(names.standardized(group.factor) in posterior for group in spec.groups)
        choice = choose_engine(spec, self.engine if engine is None else engine)
        choice.engine.check_given(
            tune=tune, target_accept=target_accept, sampler_options=dict(sampler_options or {})
        )
        same = choice.engine.name == self.engine
        if target_accept is None:
            default = choice.engine.target_accept(spec)
            target_accept = float(attrs["target_accept"]) if same else default
        chosen = settings(
            effects=str(attrs.get("effects", "draws")) if effects is None else effects,
            draws=attrs["draws"] if draws is None else draws,
            tune=choice.engine.warm_tune if tune is None else tune,
            chains=attrs["chains"] if chains is None else chains,
            cores=cores,
            seed=seed,
            target_accept=target_accept,
            progress=progress,
            sampler=str(attrs["sampler"]) if same else "nutpie",
            keep_standardized=kept and same,
            options=dict(sampler_options or {}),
            earlier=self.idata,
        )
        fitted = type(self)(spec, rows, frame, choice.engine.sample(spec, rows, chosen))
        for complaint in fitted.convergence.complaints():
            warn(complaint, ConvergenceWarning)
        return fitted

    def _extended(
        self, new_rows: Any
    ) -> tuple[ModelSpec, Design | CrossProducts, pd.DataFrame | None]:
        if isinstance(self.rows, Design):
            return extend(self.spec, self.rows, self.frame, new_rows)
        return *extend_sums(self.spec, self.rows, new_rows), None
