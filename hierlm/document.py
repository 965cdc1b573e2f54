"""A fit as a JSON document, for programs that read ``hierlm fit --json``."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from hierlm.results import Fit
from hierlm.summaries import Interval

STAGES = ("import", "compile", "sampling")


def document(fit: Fit) -> dict[str, Any]:
    """Return what ``hierlm fit --json`` says of a fit; names are those of `Fit.summary`."""
    spec, attrs, convergence, interval = fit.spec, fit.idata.attrs, fit.convergence, Interval()
    diagnostics = ("ess_bulk", "ess_tail", "r_hat")
    renamed = dict(zip(interval.columns, ("lower", "upper"), strict=True))
    table = fit.summary(ci_prob=interval.prob, ci_kind=interval.kind).rename(columns=renamed)
    table = table[["mean", "sd", "lower", "upper", *diagnostics]]
    return {
        "formula": spec.formula,
        "family": spec.family.name,
        "link": spec.family.link.name,
        "n_rows": spec.n_rows,
        "n_dropped": spec.dropped.rows,
        "groups": [
            {"name": g.factor, "levels": len(g.levels.labels), "coefs": g.coefs}
            for g in spec.groups
        ],
        **{key: attrs[key] for key in ("seed", "engine", "sampler", "draws", "tune", "chains")},
        "timings": {stage: attrs.get(f"{stage}_time") for stage in STAGES},
        "convergence": convergence.record(),
        "interval": asdict(interval),
        "parameters": table.rename_axis("name").reset_index().to_dict("records"),
        "priors": [
            {"name": p.name, "prior": str(p.prior), "origin": p.origin, "reason": p.reason}
            for p in spec.priors
        ],
        "notes": spec.notes,
    }


def to_json(value: Any) -> str:
    """Return JSON, with null for the numbers that JSON does not have."""

    def plain(item: Any) -> Any:
        item = item.item() if isinstance(item, np.generic) else item
        if isinstance(item, Mapping):
            return {str(key): plain(part) for key, part in item.items()}
        if isinstance(item, list | tuple):
            return [plain(part) for part in item]
        return None if isinstance(item, float) and not math.isfinite(item) else item

    return json.dumps(plain(value), indent=2, allow_nan=False)
