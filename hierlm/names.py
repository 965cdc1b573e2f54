"""The only place that spells a posterior variable, a dimension or a coordinate.

========================================  ===============  ====================
quantity                                  variable         dims
========================================  ===============  ====================
common effects, on the raw scale          ``beta``         ``coef``
residual sd, degrees of freedom, ...      ``sigma``, ...   none
sds of grouping factor g                  ``sd_g``         ``g_coef``
correlations of g, each pair once         ``cor_g``        ``g_cor``
group-specific effects of g               ``r_g``          ``g``, ``g_coef``
standardised effects of g                 ``z_g``          ``g``, ``g_coef``
observations                                               ``__obs__``
in the group ``effects``, where draws of them are not kept:
posterior mean and sd of r_g              ``r_g_mean``     ``g``, ``g_coef``
                                          ``r_g_sd``       same
sd of common effect plus r_g              ``coef_g_sd``    same
========================================  ===============  ====================

``g`` is the grouping factor as written: ``Subject``, ``batch:cask``.
"""

from __future__ import annotations

BETA = "beta"
SD = "sd"
COR = "cor"
COEF = "coef"
OBS = "__obs__"
EFFECTS = "effects"  # the group of a tree without draws of the effects
INTERCEPT = "Intercept"
INTERCEPT_CENTERED = "Intercept_centered"
SAMPLE_DIMS = ("chain", "draw")

# '/' separates the nodes of a DataTree, and a dimension may not share a variable's name.
_REPLACED = str.maketrans({"/": "_", "\0": "_"})
# What no column may be called; a factor of the names above has its levels' dimension renamed.
RESERVED_VARIABLES = (
    BETA,
    COEF,
    OBS,
    *SAMPLE_DIMS,
    INTERCEPT,
    INTERCEPT_CENTERED,
    "slopes",
    "slope",
)
_RESERVED = frozenset({*RESERVED_VARIABLES, "sigma", "nu", "alpha", "kappa", "sample"})


def safe(name: str) -> str:
    """Return `name` without the characters that netCDF and DataTree refuse.

    Examples
    --------
    >>> safe("batch:cask"), safe("km/h")
    ('batch:cask', 'km_h')
    """
    cleaned = name.translate(_REPLACED).strip()
    return cleaned.rstrip(":") or "_"


def factor_name(columns: tuple[str, ...]) -> str:
    """Return the name of the grouping factor made of crossed `columns`.

    Examples
    --------
    >>> factor_name(("batch", "cask"))
    'batch:cask'
    """
    return safe(":".join(columns))


def levels_dim(factor: str) -> str:
    """Return the dimension of a factor's levels: its name, unless that is taken.

    Examples
    --------
    >>> levels_dim("Subject"), levels_dim("draw")
    ('Subject', 'draw_level')
    """
    return f"{factor}_level" if factor in _RESERVED else factor


def coef_dim(factor: str) -> str:
    """Return the dimension of a factor's coefficients, ``g_coef``."""
    return f"{factor}_coef"


def cor_dim(factor: str) -> str:
    """Return the dimension of a factor's pairs of coefficients, ``g_cor``."""
    return f"{factor}_cor"


def sd(factor: str) -> str:
    """Return the name of a factor's standard deviations, ``sd_g``."""
    return f"sd_{factor}"


def cor(factor: str) -> str:
    """Return the name of a factor's correlations, ``cor_g``."""
    return f"cor_{factor}"


def effects(factor: str) -> str:
    """Return the name of a factor's group-specific effects, ``r_g``."""
    return f"r_{factor}"


def standardized(factor: str) -> str:
    """Return the name of a factor's standardised effects, ``z_g``."""
    return f"z_{factor}"


def effect_mean(factor: str) -> str:
    """Return the name of the posterior means of a factor's effects, ``r_g_mean``."""
    return f"{effects(factor)}_mean"


def effect_sd(factor: str) -> str:
    """Return the name of the posterior sds of a factor's effects, ``r_g_sd``."""
    return f"{effects(factor)}_sd"


def coef_sd(factor: str) -> str:
    """Return the name of the posterior sds of the levels' own coefficients, ``coef_g_sd``."""
    return f"coef_{factor}_sd"


def summaries_of(factor: str) -> tuple[str, ...]:
    """Return the names in the group `EFFECTS`."""
    return effect_mean(factor), effect_sd(factor), coef_sd(factor)


def of_factor(factor: str) -> tuple[str, ...]:
    """Return every name that a factor takes in the posterior, variables and dimensions."""
    dims = levels_dim(factor), coef_dim(factor), cor_dim(factor)
    return *dims, sd(factor), cor(factor), effects(factor), standardized(factor)


def pair(first: str, second: str) -> str:
    """Return the coordinate of the correlation of two coefficients.

    Examples
    --------
    >>> pair("Intercept", "Days")
    'Intercept, Days'
    """
    return f"{first}, {second}"


def element(variable: str, coordinate: str) -> str:
    """Return one element of a variable as users write it.

    Examples
    --------
    >>> element("sd_Subject", "Days")
    'sd_Subject[Days]'
    """
    return f"{variable}[{coordinate}]"
