"""What hierlm raises and warns.

Every message says what was wanted, what came, what is allowed and what to do next. Each class
also inherits the builtin it refines, so that ``except ValueError`` keeps working::

    HierlmError
    ├── FormulaError (ValueError)             the text of a formula; carries the place
    ├── DataError (ValueError)                the table: columns, levels, missing or infinite values
    │   └── MissingColumnError (LookupError)
    ├── FamilyError (ValueError)              family, link, or a response outside the support
    ├── PriorError (ValueError)               a prior that cannot apply, or that is not a density
    ├── EngineError (ValueError)              an engine or sampler that cannot take the model
    ├── DatasetError (LookupError)            no such bundled data set
    └── MissingDependencyError (ImportError)  an optional package; the message has the command

    HierlmWarning (UserWarning)
    ├── DataWarning                           rows were dropped
    ├── DesignWarning                         what the design cannot, or can hardly, estimate
    ├── FormulaWarning                        a formula that says something else than it seems to
    └── ConvergenceWarning                    draws that should not be trusted yet
"""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterable
from pathlib import Path

_SHOWN = 200  # characters of a formula in a message


class HierlmError(Exception):
    """Base class of every error that hierlm raises on purpose."""


class FormulaError(HierlmError, ValueError):
    """A formula that cannot be read, or that asks for something unsupported.

    Parameters
    ----------
    message : str
        What is wrong.
    text : str, optional
        The formula.
    start, end : int, optional
        The half-open range of characters at fault.
    hint : str, optional
        What to write instead.
    """

    def __init__(
        self,
        message: str,
        text: str | None = None,
        start: int | None = None,
        end: int | None = None,
        hint: str | None = None,
    ) -> None:
        self.message = message
        self.text = text
        self.start = start
        self.end = end
        self.hint = hint
        super().__init__(self._render())

    def _render(self) -> str:
        lines = [self.message]
        if self.text is not None:
            lines += _marked(self.text, self.start, self.end)
        if self.hint is not None:
            lines.append(f"  {self.hint}")
        return "\n".join(lines)


def _marked(text: str, start: int | None, end: int | None) -> list[str]:
    """Return the text, of a long one the part around the place, and carets below the place."""
    shown = text.replace("\n", " ").replace("\t", " ")
    place = start or 0
    last = place + 1 if end is None else max(end, place + 1)
    if len(shown) > _SHOWN:
        first = min(max(0, place - _SHOWN // 2), len(shown) - _SHOWN)
        cut = shown[first : first + _SHOWN]
        before = "..." if first else ""
        after = "..." if first + _SHOWN < len(shown) else ""
        place, last = place - first + len(before), min(last - first, _SHOWN) + len(before)
        shown = f"{before}{cut}{after}"
    lines = [f"    {shown}"]
    if start is not None:
        lines.append("    " + " " * place + "^" * (last - place))
    return lines


class DataError(HierlmError, ValueError):
    """A table that a model cannot be fitted to."""


class MissingColumnError(DataError, LookupError):
    """A column that the formula names and the table lacks."""


class FamilyError(HierlmError, ValueError):
    """An unknown family or link, or a response outside the family's support."""


class PriorError(HierlmError, ValueError):
    """A prior on a parameter that is not there, or that cannot be its prior."""


class EngineError(HierlmError, ValueError):
    """An engine or sampler that is unknown, or that cannot take the model."""


class DatasetError(HierlmError, LookupError):
    """No bundled data set has this name."""


class MissingDependencyError(HierlmError, ImportError):
    """An optional package is needed; the message has the command that installs it."""


class HierlmWarning(UserWarning):
    """Base class of hierlm's warnings."""


class DataWarning(HierlmWarning):
    """Rows were dropped, or a column was read in a way worth knowing."""


class DesignWarning(HierlmWarning):
    """The design can hardly estimate something that the formula asks for."""


class FormulaWarning(HierlmWarning):
    """A formula that means something else than it may seem to."""


class ConvergenceWarning(HierlmWarning):
    """The draws should not be trusted yet."""


def did_you_mean(name: str, options: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the nearest option, or nothing when none is near.

    Parameters
    ----------
    name : str
        What came.
    options : iterable of str
        What is allowed.

    Returns
    -------
    str

    Examples
    --------
    >>> did_you_mean("sd_Subjct", ["sd_Subject", "sigma"])
    " Did you mean 'sd_Subject'?"
    >>> did_you_mean("zebra", ["sd_Subject", "sigma"])
    ''
    """
    if not isinstance(name, str):
        return ""
    options = list(options)
    lowered = {option.casefold(): option for option in options}
    near = difflib.get_close_matches(name, options, n=1, cutoff=0.6) or [
        lowered[key]
        for key in difflib.get_close_matches(name.casefold(), list(lowered), n=1, cutoff=0.6)
    ]
    return f" Did you mean {near[0]!r}?" if near else ""


_PACKAGE = str(Path(__file__).parent)


def warn(message: str, category: type[HierlmWarning]) -> None:
    """Warn at the line of the user's code that led here, whatever lies between.

    Parameters
    ----------
    message : str
    category : type of HierlmWarning
    """
    warnings.warn(message, category, skip_file_prefixes=(_PACKAGE,))
