"""Draws from a model: parameters from its priors, effects of levels, responses, whole tables."""

from hierlm.simulation.fake import simulate
from hierlm.simulation.predictive import prior_predictive
from hierlm.simulation.priors import draw_prior
from hierlm.simulation.responses import (
    chunks,
    draw_effects,
    draw_responses,
    linear_predictor,
    shapes_of,
)

__all__ = [
    "chunks",
    "draw_effects",
    "draw_prior",
    "draw_responses",
    "linear_predictor",
    "prior_predictive",
    "shapes_of",
    "simulate",
]
