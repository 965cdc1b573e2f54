"""Text to ``Formula``: the response, the common part, and the bars."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from hierlm.errors import FormulaError, FormulaWarning, warn
from hierlm.formula.functions import check_calls, check_functions
from hierlm.formula.grouping import grouping_factors
from hierlm.formula.parser import parse_tree
from hierlm.formula.response import Response, read_argument, read_response
from hierlm.formula.syntax import BarNode, Call, Name, Node, Number, Span, names, walk
from hierlm.formula.terms import check_terms, model_terms, summands, total
from hierlm.formula.tokens import fault
from hierlm.formula.writing import quote, unparse

MAX_LENGTH = 100_000  # read in a second; the parser allows some 300 terms


@dataclass(frozen=True, slots=True)
class GroupTerm:
    """One bar with one grouping factor.

    Parameters
    ----------
    left : Node
        The effects that vary.
    factor : tuple of str
        Columns whose combinations are the groups.
    correlated : bool
        Whether the effects of one group are correlated: ``|``, not ``||``.
    """

    left: Node
    factor: tuple[str, ...]
    correlated: bool = True
    span: Span = field(default=(0, 0), compare=False, repr=False)

    @property
    def name(self) -> str:
        """The factor as written, such as ``batch:cask``."""
        return ":".join(self.factor)

    def __str__(self) -> str:
        bar = "|" if self.correlated else "||"
        return f"({unparse(self.left)} {bar} {':'.join(map(quote, self.factor))})"


@dataclass(frozen=True, slots=True)
class Formula:
    """A parsed formula; its ``str`` is canonical and parses to an equal formula.

    Parameters
    ----------
    response : Response
        The left side of the tilde, and the weights.
    common : Node
        The right side without bars, offsets and weights.
    groups : tuple of GroupTerm
        The bars, one for each grouping factor that a bar expands to.
    offsets : tuple of Node
        What is added to the linear predictor as it is: columns or calls.
    text : str
        The formula as it was written.
    """

    response: Response
    common: Node
    groups: tuple[GroupTerm, ...] = ()
    offsets: tuple[Node, ...] = ()
    text: str = field(default="", compare=False, repr=False)

    @property
    def weights(self) -> Node | None:
        """Frequency weights, whichever side of the tilde has them."""
        return self.response.weights

    @property
    def response_columns(self) -> tuple[str, ...]:
        """Columns of the response itself, without trials, weights and standard errors."""
        return names(self.response.expression)

    @property
    def factors(self) -> tuple[str, ...]:
        """Names of the grouping factors, each once, in order."""
        return tuple(dict.fromkeys(group.name for group in self.groups))

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns the formula uses, each once, in order."""
        found = list(self.response_columns)
        for node in (self.response.trials, self.response.se, self.common):
            found += names(node) if node is not None else ()
        for group in self.groups:
            found += [*names(group.left), *group.factor]
        for node in (*self.offsets, self.weights):
            found += names(node) if node is not None else ()
        return tuple(dict.fromkeys(found))

    def __str__(self) -> str:
        parts = [unparse(self.common), *map(str, self.groups)]
        parts += [f"offset({unparse(node)})" for node in self.offsets]
        if self.weights is not None:
            parts.append(f"weights({unparse(self.weights)})")
        return f"{self.response} ~ {' + '.join(parts)}"


def parse(text: str, functions: Collection[str] = ()) -> Formula:
    """Read a formula.

    Parameters
    ----------
    text : str
        Response, ``~``, and terms: ``"Reaction ~ Days + (Days | Subject)"``.
    functions : collection of str, optional
        Names of the caller's own functions that the formula may call.

    Returns
    -------
    Formula

    Raises
    ------
    FormulaError
        For what cannot be read or is not supported, with its place and a remedy.

    Warns
    -----
    FormulaWarning
        For ``(1 || g)``, which has nothing to leave uncorrelated.

    Examples
    --------
    >>> formula = parse("strength ~ 1 + (1 | batch/cask)")
    >>> formula.factors
    ('batch', 'batch:cask')
    >>> print(formula)
    strength ~ 1 + (1 | batch) + (1 | batch:cask)
    """
    if not isinstance(text, str):
        raise FormulaError(f"A formula is text, got {type(text).__name__}.", hint='Write "y ~ x".')
    if not text.strip():
        raise FormulaError("The formula is empty.", hint='Write "y ~ x + (x | g)".')
    if len(text) > MAX_LENGTH:
        message = f"The formula has {len(text):,} characters; at most {MAX_LENGTH:,} are read."
        raise FormulaError(message, hint="Compute columns in the table, then name them.")
    check_functions(functions)
    left, right = parse_tree(text)
    formula = _Reader(text, functions).read(left, right)
    _check_response_once(formula, right)
    return formula


class _Reader:
    """What the terms of one formula share while they are read."""

    def __init__(self, text: str, functions: Collection[str]) -> None:
        self.text = text
        self.functions = functions
        self.groups: list[GroupTerm] = []
        self.offsets: list[Node] = []

    def read(self, left: Node, right: Node) -> Formula:
        response = read_response(left, self.text, self.functions)
        common = []
        for sign, part in summands(right):
            if sign == "+" and isinstance(part, BarNode):
                self.read_bar(part)
            elif sign == "+" and isinstance(part, Call) and part.function == "offset":
                self.offsets.append(read_argument(part, self.text, self.functions))
            elif sign == "+" and isinstance(part, Call) and part.function == "weights":
                if response.weights is not None:
                    raise fault(self.text, part.span, "The weights are given twice.", "Remove one.")
                weights = read_argument(part, self.text, self.functions)
                response = replace(response, weights=weights)
            else:
                common.append((sign, part))
        node = self.checked(total(common))
        return Formula(response, node, tuple(self.groups), tuple(self.offsets), self.text)

    def checked(self, node: Node) -> Node:
        """Refuse what a common part or the left side of a bar cannot contain."""
        check_calls(node, self.text, self.functions)
        check_terms(node, self.text)
        return node

    def read_bar(self, bar: BarNode) -> None:
        for part in walk(bar.left):
            if isinstance(part, BarNode):
                hint = "Give each bar its own parentheses and add them: (x | g) + (1 | h)."
                message = "A bar cannot be inside another bar."
                raise fault(self.text, part.span, message, hint)
        left = self.checked(total(summands(bar.left)))
        if model_terms(left, self.text) == (False, ()):
            hint = "Write (1 | g) for intercepts, (0 + x | g) for slopes alone."
            raise fault(self.text, bar.left.span, "There is nothing here to vary by group.", hint)
        if left == Number("1") and not bar.correlated:
            self.warn_single(bar)
        for factor in grouping_factors(bar.right, self.text):
            self.add_group(GroupTerm(left, factor, bar.correlated, bar.span), bar)

    def add_group(self, group: GroupTerm, bar: BarNode) -> None:
        for other in self.groups:
            if set(other.factor) == set(group.factor):
                group = replace(group, factor=other.factor)  # b:a has the groups of a:b
            elif other.name == group.name:
                message = f"Two different grouping factors would be called {group.name!r}."
                raise fault(self.text, bar.right.span, message, "Rename a column.")
        if group in self.groups:
            raise fault(self.text, bar.span, f"{group} is in the formula twice.", "Remove one.")
        for part in walk(bar.left):
            if isinstance(part, Name) and part.name in group.factor:
                hint = "An effect cannot vary by the groups that define it: write (1 | g)."
                message = f"{part.name!r} is on both sides of one bar."
                raise fault(self.text, part.span, message, hint)
        self.groups.append(group)

    def warn_single(self, bar: BarNode) -> None:
        message = "(1 || g) has one coefficient, which has nothing to correlate with."
        hint = "Write (1 | g); for an uncorrelated slope, (1 + x || g)."
        note = fault(self.text, bar.span, message, hint)
        warn(str(note), FormulaWarning)


def _check_response_once(formula: Formula, right: Node) -> None:
    """Refuse the response among its own predictors; I(post - pre) ~ pre is another matter."""
    if len(formula.response_columns) != 1:
        return
    (response,) = formula.response_columns
    for part in walk(right):
        if isinstance(part, Name) and part.name == response:
            message = f"The response {response!r} is also on the right of '~'."
            raise fault(formula.text, part.span, message, "Remove it there.")
