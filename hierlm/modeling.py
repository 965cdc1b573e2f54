"""Model, a facade over a specification and its rows, and `fit`: the whole pipeline in one call."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from hierlm import storage
from hierlm.building import build
from hierlm.engines import settings
from hierlm.engines.pymc import model_source
from hierlm.errors import ConvergenceWarning, warn
from hierlm.families import Family
from hierlm.priors import PriorLike
from hierlm.results import Fit
from hierlm.spec import Parameterization
from hierlm.unfitted import Unfitted

if TYPE_CHECKING:
    import pymc


class Model(Unfitted):
    """A mixed-model formula read against a table.

    Parameters
    ----------
    formula : str
        For example ``"Reaction ~ Days + (Days | Subject)"``.
    data : data frame of any kind, dict of columns, or path to a CSV or Parquet file
    family : str or Family
        ``"gaussian"``, ``"student"``, ``"bernoulli"``, ``"binomial"``, ``"poisson"``,
        ``"negbinomial"``, ``"gamma"``, ``"beta"`` or ``"lognormal"``.
    link : str, optional
        The family's default when not given.
    priors : dict of str to Prior, str or float, optional
        By parameter (``"Days"``, ``"sd_Subject[Days]"``) or class (``"beta"``, ``"sd"``); text
        such as ``"normal(0, 20)"`` works, and a number fixes a parameter.
    parameterization : str or dict of str to str, optional
        ``"noncentered"`` (the default) or ``"centered"``, for all grouping factors or by name.
    functions : dict of str to callable, optional
        Functions of your own that the formula may call.

    Raises
    ------
    FormulaError, DataError, FamilyError, PriorError
        With what was wanted, what came, and what to do.

    Examples
    --------
    >>> import hierlm as hl
    >>> model = hl.Model("Yield ~ 1 + (1 | Batch)", hl.load_dataset("Dyestuff"))
    >>> model.spec.coefs
    ('Intercept',)
    """

    def __init__(
        self,
        formula: str,
        data: Any,
        *,
        family: str | Family = "gaussian",
        link: str | None = None,
        priors: Mapping[str, PriorLike] | None = None,
        parameterization: Mapping[str, Parameterization] | Parameterization | None = None,
        functions: Mapping[str, Callable[..., Any]] | None = None,
    ) -> None:
        found = build(
            formula,
            data,
            family=family,
            link=link,
            priors=priors,
            parameterization=parameterization,
            functions=functions,
        )
        super().__init__(*found)

    def pymc(self) -> pymc.Model:
        """Return a fresh PyMC model: the specification that every engine is held to.

        Returns
        -------
        pymc.Model
            With the variables, dims and coords of the posterior.

        Raises
        ------
        EngineError
            If PyTensor has no folder for what it compiles.
        """
        built: pymc.Model = model_source().build_pymc_model(self.spec, self.design)
        return built

    def fit(
        self,
        *,
        draws: int = 1000,
        tune: int | None = None,
        chains: int = 4,
        cores: int | None = None,
        seed: int | np.random.Generator | None = None,
        engine: str = "auto",
        target_accept: float | None = None,
        progress: bool = True,
        sampler: str = "nutpie",
        keep_standardized: bool = False,
        effects: str = "draws",
        sampler_options: Mapping[str, Any] | None = None,
    ) -> Fit:
        """Draw from the posterior.

        Parameters
        ----------
        draws : int
            Draws kept, per chain.
        tune : int, optional
            Iterations of warm-up before them; what the engine needs when not given.
        chains : int
        cores : int, optional
            As many as there are, up to `chains`, when not given.
        seed : int or numpy.random.Generator, optional
            The same seed gives the same draws.
        engine : str
            ``"auto"`` chooses; `Model.engine` says why. ``"laplace"`` approximates, in less time,
            and says whether to believe it; it takes no `tune`, `target_accept` and
            `sampler_options`.
        target_accept : float, optional
            Between 0 and 1; nearer to 1 means smaller steps and fewer divergences. What suits the
            engine when not given.
        progress : bool
            Whether to show how far the chains are.
        sampler : str
            NUTS of ``"nutpie"``, ``"pymc"``, ``"numpyro"`` or ``"blackjax"``; the others than
            nutpie need the PyMC engine.
        keep_standardized : bool
            Whether to keep the standardised effects ``z_g`` too, which the PyMC engine has.
        effects : {"draws", "summary"}
            Whether to keep the draws of the group-specific effects, or only their posterior means
            and sds, for levels so many that draws would not fit into memory: `Fit.ranef` and
            `Fit.coef` have no intervals then, and what needs the draws (predictions for levels,
            residuals, comparison) is refused. The collapsed engine never holds the draws.
        sampler_options : dict, optional
            Passed to the sampler as they are.

        Returns
        -------
        Fit

        Raises
        ------
        EngineError, MissingDependencyError

        Warns
        -----
        ConvergenceWarning
            If the draws should not be trusted.
        """
        choice = self.engine(engine, sampler=sampler, keep_standardized=keep_standardized)
        choice.engine.check_given(
            tune=tune, target_accept=target_accept, sampler_options=dict(sampler_options or {})
        )
        if target_accept is None:
            target_accept = choice.engine.target_accept(self.spec)
        chosen = settings(
            draws=draws,
            tune=choice.engine.default_tune if tune is None else tune,
            chains=chains,
            cores=cores,
            seed=seed,
            target_accept=target_accept,
            progress=progress,
            sampler=sampler,
            keep_standardized=keep_standardized,
            effects=effects,
            options=dict(sampler_options or {}),
        )
        idata = choice.engine.sample(self.spec, self.rows, chosen)
        fitted = Fit(self.spec, self.rows, self._table, idata)
        for complaint in fitted.convergence.complaints():
            warn(complaint, ConvergenceWarning)
        return fitted


def fit(
    formula: str,
    data: Any,
    *,
    family: str | Family = "gaussian",
    link: str | None = None,
    priors: Mapping[str, PriorLike] | None = None,
    parameterization: Mapping[str, Parameterization] | Parameterization | None = None,
    functions: Mapping[str, Callable[..., Any]] | None = None,
    draws: int = 1000,
    tune: int | None = None,
    chains: int = 4,
    cores: int | None = None,
    seed: int | np.random.Generator | None = None,
    engine: str = "auto",
    target_accept: float | None = None,
    progress: bool = True,
    sampler: str = "nutpie",
    keep_standardized: bool = False,
    effects: str = "draws",
    sampler_options: Mapping[str, Any] | None = None,
) -> Fit:
    """Fit a model in one call: ``Model(formula, data, ...).fit(...)``.

    Parameters are those of `Model` and of `Model.fit`.

    Returns
    -------
    Fit

    Raises
    ------
    FormulaError, DataError, FamilyError, PriorError, EngineError
    """
    model = Model(
        formula,
        data,
        family=family,
        link=link,
        priors=priors,
        parameterization=parameterization,
        functions=functions,
    )
    return model.fit(
        draws=draws,
        tune=tune,
        chains=chains,
        cores=cores,
        seed=seed,
        engine=engine,
        target_accept=target_accept,
        progress=progress,
        sampler=sampler,
        keep_standardized=keep_standardized,
        effects=effects,
        sampler_options=sampler_options,
    )


def load(
    path: str | os.PathLike[str], *, functions: Mapping[str, Callable[..., Any]] | None = None
) -> Fit:
    """Read a fit that `Fit.save` wrote. Nothing in the file is executed.

    Parameters
    ----------
    path : path
    functions : dict of str to callable, optional
        The functions of your own that the formula calls.

    Returns
    -------
    Fit

    Raises
    ------
    DataError
        If the file is missing, damaged, or of another format.
    """
    return Fit(*storage.load(path, functions))
