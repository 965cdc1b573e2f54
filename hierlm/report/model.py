"""The model: in words, as equations, and with the priors and their reasons."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from hierlm import plots
from hierlm.equations import NOTATIONS, Equation, available, equations, posterior_means
from hierlm.report.markup import Html, bullets, code, details, element, join, paragraph, table
from hierlm.report.mathml import UnknownLatexError, mathml
from hierlm.report.pictures import picture
from hierlm.report.source import Source
from hierlm.report.words import POOLING, sentences

_FIRST = "varying_coefficients"
_TITLES = {
    "varying_coefficients": "Coefficients that vary by level",
    "conditional_marginal": "Conditional and marginal",
    "matrix": "With matrices",
    "block": "In blocks",
    "penalized": "Penalised regression",
    "bayesian": "With every prior",
}


def model_section(source: Source) -> Html:
    """Return the model in words and as equations."""
    spec = source.spec
    numbers = posterior_means(spec, source.idata)
    others = [name for name in available(spec) if name not in (_FIRST, "bayesian")]
    parts = [paragraph("The formula: ", code(spec.formula)), bullets(sentences(spec))]
    if spec.groups:
        parts.append(paragraph(POOLING))
    parts += [
        _shown(equations(spec, _FIRST, design=source.design), "The model"),
        _shown(
            equations(spec, _FIRST, design=source.design, values=numbers),
            "The same, with posterior means in place of the parameters",
        ),
        picture(
            lambda: plots.plot_model(spec),
            "Diagram of the model: from the priors to the effects, and from these to the rows.",
            "From top to bottom: what is drawn from what. A frame is repeated, once for each "
            "level or row; grey is what was observed.",
        ),
        details(
            "The same model in other notations",
            *(_shown(equations(spec, name, design=source.design), _title(name)) for name in others),
        ),
    ]
    return join(parts)


def _title(notation: str) -> str:
    name = _TITLES.get(notation, notation.replace("_", " ").capitalize())
    return f"{name}: {NOTATIONS[notation]}"


def _shown(equation: Equation, title: str) -> Html:
    """Return an equation typeset, with its LaTeX and plain text to copy."""
    plain = element("pre", equation.text)
    try:
        shown = element("div", mathml(equation.latex), class_="scroll", tabindex="0")
    except UnknownLatexError:  # the text says the same
        shown = element("div", plain, class_="scroll", tabindex="0")
    copies = details(
        "LaTeX and plain text",
        element("div", element("pre", equation.latex), class_="scroll", tabindex="0"),
        element("div", plain, class_="scroll", tabindex="0"),
    )
    caption = element("figcaption", title)
    return element("figure", caption, shown, copies, class_="equation")


def priors_section(source: Source) -> Html:
    """Return the priors, why they are what they are, and how much they matter."""
    spec = source.spec
    given = sum(not item.is_default for item in spec.priors)
    said = (
        "All priors are hierlm's defaults: weakly informative, on the scale of the data."
        if not given
        else f"{given} of {len(list(spec.priors))} priors were chosen for this model."
    )
    header = ["parameter", "prior", "why"]
    parts = [
        paragraph(said),
        table("Priors", header, _priors(source), words=3),
        _shown(equations(spec, "bayesian", design=source.design), "The model with every prior"),
        picture(
            lambda: plots.plot_prior_posterior(spec, source.idata, seed=source.seed),
            "Densities of prior and posterior, a panel for each parameter.",
            "Prior and posterior of each parameter: where the two are alike, the data say little.",
        ),
        _sensitivity(source),
    ]
    return join(parts)


def _priors(source: Source) -> Iterator[tuple[object, ...]]:
    for item in source.spec.priors:
        why = item.reason if item.is_default else "chosen for this model"
        if not item.is_default and item.origin != item.name:
            why += f", as {item.origin}"
        yield code(item.name), code(str(item.prior)), why


def _sensitivity(source: Source) -> Html:
    found = source.sensitivity
    if isinstance(found, str):
        return paragraph(found)
    rows = ((code(name), *_sensitive(row)) for name, row in found.iterrows())
    return join(
        [
            paragraph(
                "How much would the posterior change if the priors, or the likelihood, were a "
                "little stronger or weaker? Below 0.05 is little (power scaling, Kallioinen and "
                "colleagues 2024)."
            ),
            table("Sensitivity", ["parameter", "diagnosis", "prior", "likelihood"], rows, words=2),
        ]
    )


def _sensitive(row: pd.Series[float]) -> tuple[str, str, str]:
    return str(row["diagnosis"]), f"{row['prior']:.3f}", f"{row['likelihood']:.3f}"
