"""The report of a fit as a file. The method delegates; `hierlm.report` has the work."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from hierlm.results.base import Posterior
from hierlm.summaries import Interval, IntervalKind


class Reporting(Posterior):
    """A report to read, print and send."""

    def report(
        self,
        path: str | os.PathLike[str],
        *,
        title: str | None = None,
        question: str | None = None,
        ci_prob: float = 0.89,
        ci_kind: IntervalKind = "eti",
        seed: int | np.random.Generator = 0,
    ) -> Path:
        """Write a report: one HTML file, for a screen, a phone, paper or the wall.

        The question and the data, the model in words and equations, priors and why, the checks,
        tables, pictures, what to be careful about, and how to reproduce it. The file needs no
        network and runs nothing; pictures are within.

        Parameters
        ----------
        path : path
            Written beside and moved into place, so that a failure leaves an older file whole.
        title, question : str, optional
            In place of those that the formula gives.
        ci_prob, ci_kind
            See `summary`.
        seed : int or numpy.random.Generator
            Of predictive draws and the residuals' randomisation; fixed, so that the same fit
            gives the same report.

        Returns
        -------
        pathlib.Path
            Of the file.

        Raises
        ------
        DataError
            If the path is a folder, or its folder is not there.
        OSError
            If the file cannot be written.

        Examples
        --------
        >>> import hierlm as hl
        >>> fit = hl.fit("Yield ~ 1 + (1 | Batch)", hl.load_dataset("Dyestuff"), seed=1,
        ...              progress=False)
        >>> fit.report("dyestuff.html", question="Do the batches differ?")  # doctest: +SKIP
        PosixPath('dyestuff.html')
        """
        from hierlm import report  # matplotlib takes a second to import

        target = report.check_target(path)
        page = report.render(
            self.spec,
            self.design,
            self.frame,
            self.idata,
            self.convergence,
            interval=Interval(ci_prob, ci_kind),
            title=title,
            question=question,
            seed=seed,
        )
        return report.write(target, page)
