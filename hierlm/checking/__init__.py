"""Checks: of a design before the fit, of priors, residuals, effects and predictions after it."""

from hierlm.checking.after import check_fit, residual_tests
from hierlm.checking.before import check_model
from hierlm.checking.draws import Groups
from hierlm.checking.findings import Finding, Report
from hierlm.checking.predictive import predictive_checks, predictive_tree
from hierlm.checking.residuals import Kind, residual_draws, residuals
from hierlm.checking.sensitivity import prior_sensitivity

__all__ = [
    "Finding",
    "Groups",
    "Kind",
    "Report",
    "check_fit",
    "check_model",
    "predictive_checks",
    "predictive_tree",
    "prior_sensitivity",
    "residual_draws",
    "residual_tests",
    "residuals",
]
