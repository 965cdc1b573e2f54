"""``{model-equation} formula``: the equation of a model of a bundled data set, typeset."""

from __future__ import annotations

from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import hierlm as hl


class ModelEquation(SphinxDirective):
    """Read the formula against the data and write the equation; nothing is fitted."""

    required_arguments = 1
    final_argument_whitespace = True
    option_spec: ClassVar = {
        "data": directives.unchanged_required,
        "family": directives.unchanged,
        "notation": directives.unchanged_required,
    }

    def run(self) -> list[nodes.Node]:
        """Return one block of mathematics."""
        data = hl.load_dataset(self.options["data"])
        family = self.options.get("family", "gaussian")
        model = hl.Model(self.arguments[0], data, family=family)
        latex = model.equations(self.options["notation"]).latex
        return [nodes.math_block(latex, latex, nowrap=True, number=None, label=None)]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("model-equation", ModelEquation)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
