"""Which group-specific effects a prediction takes: the argument `groups`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hierlm.errors import DataError, did_you_mean
from hierlm.spec import ModelSpec

type Groups = str | Sequence[str]
"""``"all"``, ``"none"``, ``"integrate"``, the name of a grouping factor, or several names."""

_WORDS = ("all", "none", "integrate")
_FORMS = "Write groups='all', 'none' (effects at zero), 'integrate' (averaged over), or factors"


@dataclass(frozen=True)
class Selection:
    """The grouping factors whose effects enter the linear predictor.

    Parameters
    ----------
    factors : tuple of str
        In the order of the model; the effects of the others are zero.
    integrate : bool
        Whether the effects of these factors are averaged over instead.
    """

    factors: tuple[str, ...]
    integrate: bool = False


def select(spec: ModelSpec, groups: Groups) -> Selection:
    """Read the argument `groups`.

    Parameters
    ----------
    spec : ModelSpec
    groups : str or sequence of str

    Returns
    -------
    Selection

    Raises
    ------
    DataError
        If it is none of the words, and names a factor that the model does not have.
    """
    known = tuple(group.factor for group in spec.groups)
    if isinstance(groups, str) and groups in _WORDS and groups not in known:
        return Selection(() if groups == "none" else known, integrate=groups == "integrate")
    wanted = [groups] if isinstance(groups, str) else groups
    if not isinstance(wanted, Sequence) or not all(isinstance(name, str) for name in wanted):
        raise DataError(f"groups is a word or names; came {groups!r}.\n  {_forms(known)}")
    for name in wanted:
        if name not in known:
            options = known if len(wanted) > 1 else (*known, *_WORDS)
            raise DataError(
                f"no grouping factor is called {name!r}.{did_you_mean(name, options)}\n"
                f"  {_forms(known)}"
            )
    return Selection(tuple(name for name in known if name in wanted))


def _forms(known: tuple[str, ...]) -> str:
    return f"{_FORMS} by name; this model has: {', '.join(known) or 'none'}."
