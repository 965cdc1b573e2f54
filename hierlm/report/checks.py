"""What the checks say: of the design, of the draws, of the fit, and what to be careful about."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from hierlm import plots
from hierlm.checking import Finding, predictive_checks
from hierlm.convergence import ESS_PER_CHAIN, R_HAT_LIMIT
from hierlm.engines.tree import is_approximate
from hierlm.report.markup import Html, bullets, element, facts, join, paragraph, table
from hierlm.report.pictures import picture
from hierlm.report.source import Source

_BADGES = {"ok": "fine", "note": "note", "warning": "warning", "problem": "problem"}
_WORST = ("problem", "warning", "note")


def design_section(source: Source) -> Html:
    """Return what the design can and cannot tell."""
    said = "What these rows can tell, and what they cannot, whatever the model says of them."
    return join([paragraph(said), _findings(source.before)])


def convergence_section(source: Source) -> Html:
    """Return whether the draws can be trusted, in words."""
    found = source.convergence
    first, *complaints = str(found).split("\n")
    short, _, rest = first.partition(". ")
    state = "fine" if found.trusted else "problem"
    return join(
        [
            paragraph(element("strong", f"{short}.", class_=f"verdict {state}"), f" {rest}"),
            bullets(c.removeprefix("- ") for c in complaints) if complaints else "",
            _of_weights(source) if is_approximate(source.idata) else _of_chains(source),
        ]
    )


def _of_weights(source: Source) -> Html:
    attrs = source.idata.attrs
    said = (
        f"These draws are of an approximation around the mode (engine {attrs['engine']}), "
        f"and not of chains: {attrs['proposals']:,} proposals in {attrs['sampling_time']:.1f} "
        "seconds, each weighted by how much more probable the posterior makes it than the "
        "approximation does, and draws taken from them by weight."
    )
    if not attrs["reweighted"]:
        said += " Since the weights cannot be trusted, the draws are without them."
    return join(
        [
            paragraph(said),
            facts(
                [
                    (
                        "Pareto k",
                        "how heavy the tail of the weights is: above "
                        f"{attrs['pareto_k_limit']:.1f} their means are of no use",
                    ),
                    (
                        "ESS",
                        "how many independent draws the draws are worth: at least "
                        f"{source.convergence.ess_needed:,} here",
                    ),
                ]
            ),
        ]
    )


def _of_chains(source: Source) -> Html:
    found, attrs = source.convergence, source.idata.attrs
    said = (
        f"{found.chains} chains of {found.draws:,} draws each, after {attrs['tune']:,} of warm-up "
        f"that were thrown away, by the engine {attrs['engine']} ({attrs['sampler']}): "
        f"{attrs['sampling_time']:.1f} seconds."
    )
    return join(
        [
            paragraph(said),
            facts(
                [
                    (
                        "R-hat",
                        "whether chains that began at different places agree: 1 if they do, and "
                        f"below {R_HAT_LIMIT} to be trusted",
                    ),
                    (
                        "ESS",
                        "how many independent draws the draws are worth: at least "
                        f"{ESS_PER_CHAIN} per chain, {found.ess_needed:,} here, for means (bulk) "
                        "and for the ends of intervals (tail)",
                    ),
                    (
                        "Divergences",
                        "places that the sampler could not follow: none is right, many mean that "
                        "part of the posterior is missing",
                    ),
                ]
            ),
            picture(
                lambda: plots.plot_trace(source.spec, source.idata),
                "Densities and traces of the draws of each parameter, a colour for each chain.",
                "Left the posterior by chain, right the draws in their order: chains that agree "
                "lie over each other, and none drifts or gets stuck.",
                dpi=120,
            ),
        ]
    )


def predictive_section(source: Source) -> Html:
    """Return statistics of the rows beside those of data that the model makes."""
    spec = source.spec
    statistics = ["mean", "sd", "min", "max"]
    if spec.family.response == "count" or spec.family.name == "binomial":
        statistics.append("zeros")
    if spec.family.response == "binary":
        statistics = ["mean"]
    found = predictive_checks(
        spec,
        source.design,
        source.idata,
        statistics,
        seed=source.seed,
        interval=source.interval,
    )
    rows = [
        [
            "share of zeros" if name == "zeros" else str(name),
            *map(_short, row[:-1]),
            f"{row[-1]:.2f}",
        ]
        for name, *row in found.itertuples()
    ]
    header = ["statistic", "observed", "replicated", *source.bounds, "share above"]
    return join(
        [
            paragraph(
                "If the model were true, what would new rows look like? From draws of the "
                "posterior it makes the responses anew; the observed ones should look like one "
                "of these. The last column is the share of the replicates above the observed "
                "statistic: near 0 or 1, the model does not reproduce it."
            ),
            table(f"{spec.response}: observed and replicated", header, rows),
            picture(
                lambda: plots.plot_ppc(*source.rows, seed=source.seed),
                f"Observed {spec.response}, and responses that the model makes.",
                "Observed responses, and responses that the fitted model makes.",
            ),
        ]
    )


def _short(value: float) -> str:
    return f"{value:.4g}" if np.isfinite(value) else "-"


def after_section(source: Source) -> Html:
    """Return what the check of the fit found."""
    return join(
        [
            _findings(source.after),
            picture(
                lambda: plots.plot_residuals(*source.rows, seed=source.seed),
                "Residuals against fitted values, their spread, and their quantiles.",
                "Residuals on the scale of a standard normal (quantile residuals), whatever the "
                "family: without trend or funnel, and along the line, if the model is right.",
            ),
        ]
    )


def careful_section(source: Source) -> Html:
    """Return the warnings and notes of all checks, worst first."""
    found = careful(source)
    if not found:
        return paragraph(
            "The checks found nothing. That does not make the model right: they look for what "
            "often goes wrong."
        )
    return _findings(found)


def careful(source: Source) -> list[Finding]:
    """Return what deserves a word, worst first, each thing once."""
    findings = [*source.before, *source.after, *_sensitive(source)]
    kept = {f.text: f for f in findings if f.severity != "ok"}
    return sorted(kept.values(), key=lambda finding: _WORST.index(finding.severity))


def _sensitive(source: Source) -> Iterable[Finding]:
    found = source.sensitivity
    if isinstance(found, str):
        return
    for diagnosis, part in found[found["diagnosis"] != "ok"].groupby("diagnosis"):
        which = ", ".join(map(str, part.index))
        text = f"{str(diagnosis).capitalize()}: {which} would change with the priors."
        yield Finding("note", "priors", text)


def _findings(found: Iterable[Finding]) -> Html:
    items = (
        element(
            "li",
            element("strong", _BADGES[finding.severity], class_=f"badge {finding.severity}"),
            " ",
            element("span", f"{finding.topic}: ", class_="topic"),
            finding.text,
        )
        for finding in found
    )
    return element("ul", *items, class_="findings")


def verdicts(source: Source) -> list[tuple[str, object]]:
    """Return what the top of the page says of the checks."""
    found = careful(source)
    counts = {name: sum(f.severity == name for f in found) for name in _WORST}
    said = ", ".join(f"{k} {name}{'' if k == 1 else 's'}" for name, k in counts.items() if k)
    draws = "can be trusted" if source.convergence.trusted else "cannot be trusted yet"
    if not source.convergence.trusted and is_approximate(source.idata):
        draws = "cannot be trusted"  # and more of them may not help
    careful_link = element("a", said or "nothing found", href="#careful")
    return [
        ("Draws", element("a", draws, href="#convergence")),
        ("Careful about", careful_link),
    ]
