"""Prediction from the draws of a posterior, for rows that were fitted and rows that were not."""

from hierlm.prediction.conditioned import Conditioned
from hierlm.prediction.conditioning import condition
from hierlm.prediction.newlevels import NewLevels, root_seed
from hierlm.prediction.predictive import Request, answer
from hierlm.prediction.predictor import (
    expected_response,
    linear_predictor,
    read_rows,
    row_blocks,
)
from hierlm.prediction.selection import Groups, Selection, select

__all__ = [
    "Conditioned",
    "Groups",
    "NewLevels",
    "Request",
    "Selection",
    "answer",
    "condition",
    "expected_response",
    "linear_predictor",
    "read_rows",
    "root_seed",
    "row_blocks",
    "select",
]
