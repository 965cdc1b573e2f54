"""Tables of one fit or of several side by side, as papers print them."""

from __future__ import annotations

from collections.abc import Sequence

from hierlm.errors import DataError
from hierlm.results.comparison import Comparison
from hierlm.sidebyside import Format, Rendered, column, render
from hierlm.summaries import Interval, IntervalKind


class Tabling(Comparison):
    """The table of a paper."""

    def table(
        self,
        fmt: Format = "text",
        *,
        loo: bool = False,
        ci_prob: float = 0.89,
        ci_kind: IntervalKind = "eti",
    ) -> str:
        """Return the fit as the table of a paper: means, intervals, ICC, counts, LOO.

        Parameters
        ----------
        fmt : {"text", "markdown", "latex", "html"}
        loo : bool
            Whether to add leave-one-out: see `loo`, which takes a moment.
        ci_prob, ci_kind
            See `summary`.

        Returns
        -------
        str
            Prints itself in a console; in a notebook, HTML is shown.

        Raises
        ------
        DataError
            If there is no such format.
        """
        return table(self, fmt=fmt, loo=loo, ci_prob=ci_prob, ci_kind=ci_kind)


def table(
    *fits: Comparison,
    fmt: Format = "text",
    labels: Sequence[str] | None = None,
    loo: bool = False,
    ci_prob: float = 0.89,
    ci_kind: IntervalKind = "eti",
) -> str:
    """Return several fits side by side: means, intervals, ICC, counts, LOO.

    Parameters
    ----------
    *fits : Fit
    fmt : {"text", "markdown", "latex", "html"}
    labels : sequence of str, optional
        Heads of the columns; the formulas when not given.
    loo : bool
        Whether to add the expected log predictive density of leave-one-out, by rows, and its
        standard error (`Fit.loo`). Of fits to the same rows a difference means something:
        `compare` has it with a standard error of its own.
    ci_prob, ci_kind
        See `Fit.summary`.

    Returns
    -------
    str
        Prints itself in a console; in a notebook, HTML is shown.

    Raises
    ------
    DataError
        If there is no fit, no such format, or not one label for each fit.

    Warns
    -----
    HierlmWarning
        As `Fit.loo`.

    Examples
    --------
    >>> import hierlm as hl
    >>> rails = hl.load_dataset("Dyestuff")
    >>> fit = hl.fit("Yield ~ 1 + (1 | Batch)", rails, seed=1, progress=False)
    >>> hl.table(fit, fmt="markdown", labels=["Dyestuff"]).splitlines()[0]
    '|  | Dyestuff |'
    """
    if not fits:
        raise DataError("a table needs at least one fit: hl.table(fit1, fit2).")
    heads = [fit.spec.formula for fit in fits] if labels is None else list(labels)
    if len(heads) != len(fits):
        raise DataError(f"there are {len(fits)} fits and {len(heads)} labels; give one for each.")
    interval = Interval(ci_prob, ci_kind)
    columns = [
        column(head, fit.spec, fit.design, fit.idata, interval, _elpd(fit) if loo else None)
        for head, fit in zip(heads, fits, strict=True)
    ]
    rendered: Rendered = render(columns, fmt, interval)
    return rendered


def _elpd(fit: Comparison) -> tuple[float, float]:
    found = fit.loo()
    return float(found.elpd), float(found.se)
