"""A table becomes numbers: `Encoding` learns how, `Design` is the result."""

from hierlm.design.columns import Columns
from hierlm.design.design import Design, GroupBlock
from hierlm.design.encoding import Encoding, GroupEncoding
from hierlm.design.frames import Dropped, Predictor
from hierlm.design.levels import Levels
from hierlm.design.values import RowValue, RowValues

__all__ = [
    "Columns",
    "Design",
    "Dropped",
    "Encoding",
    "GroupBlock",
    "GroupEncoding",
    "Levels",
    "Predictor",
    "RowValue",
    "RowValues",
]
