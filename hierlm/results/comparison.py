"""How well a fit predicts what it has not seen. Each method delegates to `hierlm.comparison`."""

from __future__ import annotations

import numpy as np
import xarray as xr

from hierlm import comparison
from hierlm.comparison import Elpd, KFoldElpd
from hierlm.design import GroupBlock
from hierlm.errors import HierlmWarning, warn
from hierlm.results.base import Posterior


class Comparison(Posterior):
    """Cross-validation of a posterior."""

    def log_likelihood(self) -> xr.DataArray:
        """Return the log likelihood of every row given every draw, conditional on the effects.

        Returns
        -------
        xarray.DataArray
            Dims chain, draw and ``__obs__``. A row of frequency weight k has k times the log
            density. Where ArviZ wants a group of the tree:
            ``fit.idata["log_likelihood"] = xr.DataTree(fit.log_likelihood().to_dataset())``.

        Raises
        ------
        DataError
            If it would take more than four GiB; `loo` computes it piece by piece.

        Examples
        --------
        >>> import hierlm as hl
        >>> fit = hl.fit("Yield ~ 1 + (1 | Batch)", hl.load_dataset("Dyestuff"), draws=500,
        ...              seed=1, progress=False)
        >>> fit.log_likelihood().sizes["__obs__"]
        30
        """
        return comparison.log_likelihood(self.spec, self.design, self.idata)

    def loo(
        self,
        *,
        unit: str | GroupBlock | None = None,
        integrate: str | None = "auto",
        refit: bool = False,
        seed: int | np.random.Generator | None = None,
    ) -> Elpd:
        """Estimate, without refitting, how well each row or level is predicted from the others.

        Parameters
        ----------
        unit : str or GroupBlock, optional
            A grouping factor: its levels are left out whole, one at a time, which asks how well
            rows of a *new* level are predicted. Its effects, and those nested in it, are
            integrated out. Rows when not given: how well a new row of the same levels is predicted.
            For a factor that this model does not have, the block of another fit to the same rows:
            ``other.design.blocks[0]``.
        integrate : str or None
            With rows: a grouping factor whose effects are integrated out given the level's other
            rows. It is another way to the same quantity, with smaller Pareto k, and the only one
            where levels have one row: ``"auto"`` takes it there. None: conditional on the effects
            as they were drawn.
        refit : bool
            Whether to refit without each row or level whose Pareto k is too high, which makes
            these exact.
        seed : int or numpy.random.Generator, optional
            For the refits.

        Returns
        -------
        Elpd
            ArviZ's ``ELPDDataLOO``, for ``az.plot_khat`` and others; ``elpd_i`` and ``pareto_k``
            are labelled by row or level. A row of frequency weight k counts as k rows, one of
            which is left out, and has k entries (coordinate ``row``); levels are left out with all
            their rows.

        Raises
        ------
        DataError
            If there is no such factor, or a frequency weight is no number of rows.
        EngineError
            If the effects cannot be integrated out: more than three coefficients per level, or
            factors crossed within a level, of a family that is not gaussian.

        Warns
        -----
        HierlmWarning
            If Pareto k is too high somewhere, with what to do.

        Examples
        --------
        >>> import hierlm as hl
        >>> fit = hl.fit("Yield ~ 1 + (1 | Batch)", hl.load_dataset("Dyestuff"), seed=2,
        ...              progress=False)
        >>> result = fit.loo(unit="Batch")
        >>> result.elpd_i.sizes["Batch"], result.integrated
        (6, ('Batch',))
        """
        again = comparison.refitter(self.spec, self.idata) if refit else None
        found = comparison.loo(
            self.spec,
            self.design,
            self.idata,
            unit=unit,
            integrate=integrate,
            refit=again,
            seed=seed,
        )
        if found.advice:
            warn(found.advice, HierlmWarning)
        return found

    def kfold(
        self,
        *,
        k: int = 10,
        unit: str | GroupBlock | None = None,
        stratify: str | None = None,
        seed: int | np.random.Generator | None = None,
        progress: bool = False,
    ) -> KFoldElpd:
        """Estimate how well rows or levels are predicted, by refitting without some at a time.

        The engine, its settings and the priors are those of this fit; defaults are not learnt
        again from fewer rows.

        Parameters
        ----------
        k : int
            Number of refits.
        unit : str or GroupBlock, optional
            A grouping factor whose levels are left out whole; rows when not given. See `loo`.
        stratify : str, optional
            With rows: a grouping factor whose levels' rows are spread evenly over the folds.
        seed : int or numpy.random.Generator, optional
            For the folds and the refits: the same seed gives the same folds to every model of
            the same rows.
        progress : bool
            Whether each refit shows how far its chains are.

        Returns
        -------
        KFoldElpd
            ArviZ's ``ELPDDataLOOKFold``; `hierlm.compare` takes it as one of its `results`.

        Raises
        ------
        DataError
            If there is no such factor, or k is not between two and the number of units.

        Warns
        -----
        ConvergenceWarning
            If the draws of a refit should not be trusted.

        Examples
        --------
        >>> import hierlm as hl
        >>> fit = hl.fit("Yield ~ 1 + (1 | Batch)", hl.load_dataset("Dyestuff"), draws=500,
        ...              seed=1, progress=False)
        >>> fit.kfold(k=2, unit="Batch", seed=1).n_folds
        2
        """
        again = comparison.refitter(self.spec, self.idata, progress=progress)
        return comparison.kfold(
            self.spec,
            self.design,
            self.idata,
            again,
            k=k,
            unit=unit,
            stratify=stratify,
            seed=seed,
        )
