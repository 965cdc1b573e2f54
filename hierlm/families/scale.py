"""Where a response lies and how wide it is, on the scale of the link: for default priors."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from hierlm.families.links import Array, Link


def moments(values: Array, rows: Array) -> tuple[float, float, float]:
    """Return mean, sd and number of observations, where row i stands for ``rows[i]`` of them.

    The sd of a constant response is taken as one: a scale of zero is no prior, and that the
    response is constant is for the check of the design to say.

    Parameters
    ----------
    values, rows : ndarray of shape (n,)

    Returns
    -------
    mean, sd, total : float

    Examples
    --------
    >>> moments(np.array([1.0, 2.0, 5.0]), np.array([1.0, 1.0, 0.0]))
    (1.5, 0.7071067811865476, 2.0)
    """
    total = float(rows.sum())
    if total == 0:
        return 0.0, 1.0, 0.0
    mean = float(rows @ values / total)
    if total <= 1 or np.ptp(values[rows > 0]) == 0:
        return mean, 1.0, total
    return mean, float(np.sqrt(rows @ np.square(values - mean) / (total - 1))), total


def predictor_location_scale(
    link: Link, values: Array, rows: Array, offset: ArrayLike | None, *, discrete: bool
) -> tuple[float, float]:
    """Return location and scale of the linear predictor without its offset.

    Parameters
    ----------
    link : Link
    values, rows : ndarray of shape (n,)
        Responses on the scale of their mean (less the offset, with an identity link); row i stands
        for ``rows[i]`` observations.
    offset : array_like of shape (n,) or None
    discrete : bool
        Whether the response is a whole number.

    Returns
    -------
    m, s : float
    """
    m, s = on_link_scale(link, *moments(values, rows), discrete=discrete)
    if offset is not None and link.name != "identity":
        m -= offset_level(link, np.asarray(offset, dtype=float), rows)
    return m, s


def offset_level(link: Link, offset: Array, rows: Array) -> float:
    r"""Return what an offset adds to the location of the linear predictor.

    With a log link the location is that of a rate, :math:`\log(\sum y / \sum e^o)`.

    Parameters
    ----------
    link : Link
    offset, rows : ndarray of shape (n,)
        Row i stands for ``rows[i]`` observations.

    Examples
    --------
    >>> from hierlm.families import get_link
    >>> exposure = np.array([1.0, 3.0])
    >>> round(float(np.exp(offset_level(get_link("log"), np.log(exposure), np.ones(2)))), 12)
    2.0
    """
    total = float(rows.sum())
    if total == 0:
        return 0.0
    if link.name == "log":
        return float(special.logsumexp(offset, b=rows) - np.log(total))
    return float(rows @ offset / total)


def scale_words(link: Link, response: str, *, offset: bool) -> str:
    """Return in words what the scale of the linear predictor is, for a response so called.

    Examples
    --------
    >>> from hierlm.families import get_link
    >>> scale_words(get_link("identity"), "the response", offset=True)
    'the sd of the response less its offset'
    """
    if link.relative:
        return "one unit of the link"
    if link.name == "identity":
        return f"the sd of {response}{' less its offset' if offset else ''}"
    return f"the sd of {response} times the slope of the {link.name} link"


def on_link_scale(
    link: Link, mean: float, sd: float, total: float, *, discrete: bool
) -> tuple[float, float]:
    r"""Return location and scale of the linear predictor from moments of the response.

    .. math::
        m = g(\bar y), \qquad
        s = 1 \text{ for log, logit, probit, cloglog}, \quad
        s = sd(y)\, |g'(\bar y)| \text{ otherwise}

    A mean on the border of what the link takes (all responses zero) is moved inside by half an
    observation: 1/(2N) for a discrete response, sd(y)/(2N) for a continuous one. The mean of
    responses that the link itself takes is never moved.

    Parameters
    ----------
    link : Link
    mean, sd : float
        Of the response, on the scale of its mean parameter.
    total : float
        Number of observations, N: of trials where there are trials.
    discrete : bool
        Whether the response is a whole number.

    Returns
    -------
    m, s : float

    Examples
    --------
    >>> from hierlm.families import get_link
    >>> on_link_scale(get_link("identity"), 298.5, 56.3, 180, discrete=False)
    (298.5, 56.3)
    >>> on_link_scale(get_link("logit"), 0.5, 0.5, 20, discrete=True)
    (0.0, 1.0)
    """
    margin = 0.5 / max(total, 1.0) * (1.0 if discrete else sd)
    inside = np.clip(mean, link.lower + margin, link.upper - margin)
    m = link.link(np.asarray(inside))
    s = 1.0 if link.relative else sd / abs(float(link.derivative(m)))
    return float(m), float(s)
