from __future__ import annotations

import numpy as np
import pytest

from hierlm.errors import FamilyError
from hierlm.families import LINKS, get_link

# inverse and sqrt are one-to-one on positive eta alone; 1 - cloglog's mean vanishes for eta > 2
ETA = {name: np.linspace(-3.0, 3.0, 13) for name in LINKS} | {
    "cloglog": np.linspace(-3.0, 1.5, 13),
    "inverse": np.linspace(0.1, 4.0, 13),
    "sqrt": np.linspace(0.1, 4.0, 13),
}


@pytest.mark.parametrize("name", LINKS)
def test_link_undoes_inverse(name: str) -> None:
    link = get_link(name)
    np.testing.assert_allclose(
        link.link(link.inverse(ETA[name])), ETA[name], rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("name", LINKS)
def test_derivative_is_that_of_the_inverse(name: str) -> None:
    link, eta, h = get_link(name), ETA[name], 1e-5
    central = (link.inverse(eta + h) - link.inverse(eta - h)) / (2 * h)
    np.testing.assert_allclose(link.derivative(eta), central, rtol=1e-8)


@pytest.mark.parametrize("name", LINKS)
def test_means_lie_in_the_interval_of_the_link(name: str) -> None:
    link = get_link(name)
    mu = link.inverse(ETA[name])
    assert (mu > link.lower).all()
    assert (mu < link.upper).all()


@pytest.mark.parametrize("name", ["logit", "probit", "cloglog"])
def test_far_tails_are_finite_and_keep_their_digits(name: str) -> None:
    link = get_link(name)
    far = np.array([-1000.0, 1000.0])
    np.testing.assert_array_equal(link.inverse(far), [0.0, 1.0])
    np.testing.assert_array_equal(link.derivative(far), [0.0, 0.0])
    assert 0 < link.inverse(np.array(-30.0)) < 1e-12
    assert link.derivative(np.array(-30.0)) > 0


def test_logit_slope_survives_where_the_mean_rounds_to_one() -> None:
    assert get_link("logit").derivative(np.array(40.0)) == pytest.approx(np.exp(-40.0), rel=1e-12)


def test_unknown_link_names_the_nearest() -> None:
    with pytest.raises(FamilyError, match=r"no link is called 'logti'\. Did you mean 'logit'\?"):
        get_link("logti")
    with pytest.raises(FamilyError, match=r"There are: cloglog, identity, inverse, log, logit"):
        get_link("zebra")
