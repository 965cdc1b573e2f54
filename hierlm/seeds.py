"""Seeds: what is one, and the generator that it starts."""

from __future__ import annotations

import numpy as np

from hierlm.errors import DataError


def check_seed(seed: object) -> None:
    """Raise `DataError` unless a seed is a whole number from 0, a generator, or None."""
    if seed is None or isinstance(seed, np.random.Generator):
        return
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise DataError(
            f"seed is a whole number from 0 or a numpy.random.Generator; came {seed!r}."
        )


def generator(seed: int | np.random.Generator | None) -> np.random.Generator:
    """Return the generator that a seed starts; a new one each time for None.

    Raises
    ------
    DataError
        If it is no seed.

    Examples
    --------
    >>> int(generator(1).integers(100)) == int(generator(1).integers(100))
    True
    """
    check_seed(seed)
    return np.random.default_rng(seed)
