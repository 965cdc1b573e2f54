"""Settings of the site: ``python -m sphinx -W --keep-going -b html docs docs/_build/html``."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

logging.getLogger("arviz").setLevel(logging.WARNING)  # it tells Sphinx's log what it imported

import hierlm  # noqa: E402

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "hierlm"
author = "the hierlm developers"
copyright = "the hierlm developers"
version = release = hierlm.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "matplotlib.sphinxext.plot_directive",
    "myst_parser",
    "sphinx_copybutton",
    "mathml",
    "model_equation",
]
exclude_patterns = ["_build"]
default_role = "py:obj"  # a name in single backticks, in a docstring
nitpicky = False  # types of parameters are words, not references

# Markdown
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

# Docstrings
autosummary_generate = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings have the types
maximum_signature_line_length = 88
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_preprocess_types = False

# Pictures are drawn while the site is built; none is kept in the repository
plot_html_show_formats = False
plot_html_show_source_link = False
plot_include_source = True
plot_formats = [("png", 110)]
plot_pre_code = "import hierlm as hl"

# Pages: nothing comes over the network when they are read
html_theme = "furo"
html_title = "hierlm"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["hierlm.css"]
html_copy_source = False
html_show_sphinx = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True


def _plain_property(app: Any, what: str, name: str, obj: Any, options: Any, lines: Any) -> None:
    """Napoleon takes what stands before a colon for the type of a property."""
    if what == "property" and lines:
        lines[0] = lines[0].replace(": ", " - ")


def _below_hierlm(app: Any, env: Any, node: Any, contnode: Any) -> Any:
    """Find `Fit.loo` from anywhere: docstrings name what users call as users call it."""
    if node.get("refdomain") != "py":
        return None
    python, target = env.domains["py"], f"hierlm.{node['reftarget']}"
    place = node.get("refdoc", env.docname), app.builder
    return python.resolve_xref(env, *place, "obj", target, node, contnode)


def setup(app: Any) -> None:
    """Connect the two corrections above."""
    app.connect("autodoc-process-docstring", _plain_property, priority=400)
    app.connect("missing-reference", _below_hierlm)
