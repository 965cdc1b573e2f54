"""How to make the fit again: the call, the seed, and the versions."""

from __future__ import annotations

import json
from datetime import datetime

from hierlm.engines.tree import is_approximate
from hierlm.families import get_family
from hierlm.report.markup import Html, element, facts, join, paragraph, table
from hierlm.report.source import Source


def reproduce_section(source: Source) -> Html:
    """Return the call to copy, and what it ran with."""
    attrs = source.idata.attrs
    versions = json.loads(attrs["versions"])
    when = datetime.fromisoformat(attrs["created_at"])
    snippet = element("pre", element("code", call(source)))
    engine = f"{attrs['engine']} ({attrs['sampler']})"
    return join(
        [
            paragraph(
                "With the same rows, versions and seed this gives the same draws; on another kind "
                "of machine the same within Monte Carlo error."
            ),
            element("div", snippet, class_="scroll", tabindex="0"),
            facts(
                [
                    ("Seed", attrs["seed"]),
                    ("Engine", engine),
                    ("Fitted", f"{when:%Y-%m-%d %H:%M} {when.tzname() or ''}".strip()),
                ]
            ),
            table("Versions", ["package", "version"], versions.items(), words=2),
        ]
    )


def call(source: Source) -> str:
    """Return the call that makes this fit."""
    spec, attrs = source.spec, source.idata.attrs
    family = spec.family
    lines = [repr(spec.formula), "data"]
    if family.name != "gaussian":
        lines.append(f"family={family.name!r}")
    if family.link.name != get_family(family.name).link.name:
        lines.append(f"link={family.link.name!r}")
    given = {item.origin: str(item.prior) for item in spec.priors if not item.is_default}
    if given:
        lines.append(f"priors={given!r}")
    centered = {k: v for k, v in spec.parameterization.items() if v != "noncentered"}
    if centered:
        lines.append(f"parameterization={centered!r}")
    chains = not is_approximate(source.idata)
    for name in ("draws", *(["tune"] if chains else []), "chains", "seed"):
        lines.append(f"{name}={int(attrs[name])}")
    if chains:
        lines.append(f"target_accept={float(attrs['target_accept']):g}")
    lines.append(f"engine={str(attrs['engine'])!r}")
    if chains:
        lines.append(f"sampler={str(attrs['sampler'])!r}")
    body = "".join(f"    {line},\n" for line in lines)
    comment = (
        f"# data: {spec.dropped.total:,} rows with the columns {', '.join(map(str, source.frame))}"
    )
    return f"import hierlm as hl\n\n{_one_line(comment)}\nfit = hl.fit(\n{body})\nprint(fit)\n"


def _one_line(text: str) -> str:
    # a line break in the name of a column would end the comment, and begin code
    return " ".join(text.split())
