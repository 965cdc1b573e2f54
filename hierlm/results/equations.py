"""The equation of a fitted model, with its numbers."""

from __future__ import annotations

from hierlm.equations import Equation, equations, posterior_means
from hierlm.results.base import Posterior


class Equations(Posterior):
    """The model as an equation."""

    def equations(
        self, notation: str = "varying_coefficients", *, numbers: bool = True
    ) -> Equation:
        """Return the model as an equation, with posterior means in place of parameters.

        Parameters
        ----------
        notation : str
            One of `hierlm.equations.NOTATIONS`: ``"multilevel"``, ``"matrix"``, ``"bayesian"``.
        numbers : bool
            Whether parameters stand as numbers, with the digits that the draws support. Those of
            a prior stay symbols: the Bayesian notation has its numbers beside it.

        Returns
        -------
        Equation
            Printed, Unicode for a terminal; in a notebook, typeset; ``latex`` for a document.

        Raises
        ------
        FamilyError
            If no notation is called so, or the family has no such notation.
        """
        values = posterior_means(self.spec, self.idata) if numbers else None
        return equations(self.spec, notation, design=self.design, values=values)
