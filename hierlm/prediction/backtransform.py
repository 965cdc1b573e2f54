"""From the scale of a transformed response, ``log(y) ~``, back to the scale of the data.

Only draws of a response can be taken back: the mean of exp(x) is not exp of the mean of x. A draw
outside the range of the transform has no inverse: of ``exp(y) ~`` a negative one gives NaN, and of
``sqrt(y) ~`` its square is taken, as is the custom.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hierlm import names
from hierlm.design import Columns
from hierlm.errors import DataError
from hierlm.formula import Call, Name, Node, unparse
from hierlm.spec import ModelSpec

Array = NDArray[np.float64]
Transform = Callable[[Array], Array]

_INVERSES: dict[str, Transform] = {
    "log": np.exp,
    "log2": np.exp2,
    "log10": lambda x: np.power(10.0, x),
    "log1p": np.expm1,
    "exp": np.log,
    "expm1": np.log1p,
    "sqrt": np.square,
    "I": lambda x: x,
}
_AFFINE = ("center", "scale", "standardize")


def response_name(spec: ModelSpec, *, back_transform: bool) -> str:
    """Return what the variable of the predictive draws is called."""
    node = spec.encoding.formula.response.expression
    while back_transform and isinstance(node, Call):
        node = node.args[0]
    return names.safe(unparse(node))


def inverse_response(spec: ModelSpec) -> Transform:
    """Return the function that takes the response of the formula to the column in the data.

    Raises
    ------
    DataError
        If the response has no inverse that is known: ``abs(y)``, ``I(a - b)``, a function of
        one's own.

    Examples
    --------
    >>> import hierlm as hl
    >>> data = hl.load_dataset("sleepstudy")
    >>> model = hl.Model("scale(log(Reaction)) ~ Days + (1 | Subject)", data)
    >>> back = inverse_response(model.spec)
    >>> bool(np.isclose(back(model.design.y), data["Reaction"]).all())
    True
    """
    inverse = _inverse(spec, spec.encoding.formula.response.expression)

    def back(x: Array) -> Array:
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            return inverse(x)

    return back


def _inverse(spec: ModelSpec, node: Node) -> Transform:
    if isinstance(node, Name):
        return lambda x: x
    if not isinstance(node, Call) or not node.args:
        raise _refusal(spec)
    function = node.function.rpartition(".")[2]
    inner = _inverse(spec, node.args[0])
    if function in _AFFINE:
        return _undo_affine(spec, node, inner)
    if function not in _INVERSES:
        raise _refusal(spec)
    outer = _INVERSES[function]
    return lambda x: inner(outer(x))


def _undo_affine(spec: ModelSpec, node: Call, inner: Transform) -> Transform:
    """Return the inverse of center() or scale(), whose state is seen in where 0 and 1 go."""
    value = spec.encoding.values.response
    outermost = node is spec.encoding.formula.response.expression
    if not outermost or value is None or not isinstance(value.source, Columns):
        raise _refusal(spec)
    probes = pd.DataFrame({value.columns[0]: inner(np.array([0.0, 1.0]))})
    at_zero, at_one = value.apply(probes)
    return lambda x: inner((x - at_zero) / (at_one - at_zero))


def _refusal(spec: ModelSpec) -> DataError:
    text = unparse(spec.encoding.formula.response.expression)
    known = ", ".join(name for name in (*_INVERSES, *_AFFINE) if name != "I")
    return DataError(
        f"the response {text} has no inverse that is known here.\n"
        f"  Of one column there are: {known}. Leave out back_transform and compute it from the "
        "draws."
    )
