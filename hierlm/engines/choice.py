"""Which engine runs, and why."""

from __future__ import annotations

from dataclasses import dataclass

from hierlm.engines.approximate import LaplaceEngine
from hierlm.engines.base import Engine
from hierlm.engines.collapsed import CollapsedEngine
from hierlm.engines.nesting import trailing_size
from hierlm.engines.pymc import PymcEngine
from hierlm.engines.whitened import WhitenedEngine
from hierlm.errors import EngineError, did_you_mean
from hierlm.spec import ModelSpec

ENGINES: dict[str, Engine] = {
    engine.name: engine
    for engine in (CollapsedEngine(), WhitenedEngine(), LaplaceEngine(), PymcEngine())
}
_MANY_CROSSED = 600
# In this order, with the reason.
_PREFERRED = {
    "collapsed": "gaussian with an identity link: effects are integrated out exactly",
    "whitened": "NUTS on all effects, in coordinates whitened by a Laplace approximation",
}


@dataclass(frozen=True)
class Choice:
    """An engine and the reason for it."""

    engine: Engine
    reason: str

    def __str__(self) -> str:
        return f"{self.engine.name}: {self.reason}"


def choose_engine(
    spec: ModelSpec, name: str = "auto", *, needs_pymc: str = "", rows: bool = True
) -> Choice:
    """Choose the engine for a model.

    Parameters
    ----------
    spec : ModelSpec
    name : str
        ``"auto"``, or the engine that is wanted.
    needs_pymc : str
        What was asked for that only the PyMC engine has; empty for nothing.
    rows : bool
        Whether there are rows, not only their cross-products.

    Returns
    -------
    Choice

    Raises
    ------
    EngineError
        If there is no such engine, or it cannot take the model.
    """
    if name == "auto":
        refusals: list[str] = []
        normal = (spec.family.name, spec.family.link.name) == ("gaussian", "identity")
        for preferred, why in _PREFERRED.items():
            refusal = needs_pymc or ENGINES[preferred].refuses(spec)
            if refusal is None and preferred == "collapsed" and rows:
                refusal = _too_dear(spec)
            if refusal is None:
                told = refusals if normal else []  # others know that it is for gaussian ones
                return Choice(ENGINES[preferred], "; ".join([why, *told]))
            refusals.append(f"not {preferred}: {refusal}")
        reasons = f"not {' or '.join(_PREFERRED)}: {needs_pymc}" if needs_pymc else None
        return Choice(
            ENGINES["pymc"],
            "NUTS on all effects, non-centered by default; " + (reasons or "; ".join(refusals)),
        )
    if name not in ENGINES:
        raise EngineError(
            f"no engine is called {name!r}.{did_you_mean(name, ENGINES)}\n"
            f"  There are: auto, {', '.join(ENGINES)}."
        )
    refusal = ENGINES[name].refuses(spec)
    if refusal is not None:
        raise EngineError(f"the {name} engine cannot take this model: {refusal}.")
    return Choice(ENGINES[name], "asked for")


def _too_dear(spec: ModelSpec) -> str | None:
    """Return why sampling all effects is faster than integrating them out, or None."""
    size = trailing_size(spec)
    if size <= _MANY_CROSSED:
        return None
    return (
        f"its gradients would factor as much as {size:,} dense columns of crossed factors; from "
        f"about {_MANY_CROSSED:,} on all effects are sampled faster"
    )
