"""How well models predict what they have not seen: one row, one level, or a fold at a time."""

from hierlm.comparison.comparing import ModelComparison, compare
from hierlm.comparison.elpd import Elpd, KFoldElpd
from hierlm.comparison.folding import kfold
from hierlm.comparison.leaveoneout import log_likelihood, loo
from hierlm.comparison.refitting import refitter

__all__ = [
    "Elpd",
    "KFoldElpd",
    "ModelComparison",
    "compare",
    "kfold",
    "log_likelihood",
    "loo",
    "refitter",
]
