"""Names of priors are found however their calls are spelled."""

import pytest
from helpers.tables import check_message, refusal, table

import hierlm as hl
from hierlm.priors.spelling import canonical, find_names

MODEL = "y ~ C(f, Sum) * x + bs(z, df=4) + I(x**2) + `my col`:x + (I(x**2) | g:t)"
DATA = table(**{"my col": table().z ** 2, "t": [0] * 28 + [1] * 32})

SPELLINGS = {
    "I(x**2)": "I(x ** 2)",
    "bs(z,df=4)[0]": "bs(z, df=4)[0]",
    "C(f, Sum)[A]": "C(f, Sum())[A]",
    "factor(f,Sum)[A] : x": "C(f, Sum())[A]:x",
    "`my col`:x": "my col:x",
    "sd_g:t[I(x**2)]": "sd_g:t[I(x ** 2)]",
}


@pytest.mark.parametrize("written", SPELLINGS)
def test_spelling(written: str) -> None:
    prior = "exponential(3)" if written.startswith("sd_") else "normal(0, 3)"
    spec = hl.Model(MODEL, DATA, priors={written: prior}).spec
    (given,) = [item for item in spec.priors if not item.is_default]
    assert given.name == given.origin == SPELLINGS[written]


def test_every_name_has_a_spelling_of_its_own() -> None:
    known = [item.name for item in hl.Model(MODEL, DATA).spec.priors]
    spelled = [canonical(name) for name in known]
    assert len(set(spelled)) == len(known)
    assert find_names(spelled, known) == dict(zip(spelled, known, strict=True))


def test_two_spellings_of_one() -> None:
    error = refusal(MODEL, DATA, priors={"I(x**2)": 1, "I(x ** 2)": 2})
    fragments = ("'I(x**2)' and 'I(x ** 2)' are two spellings of one parameter", "Give one")
    check_message(error, hl.PriorError, fragments)


def test_levels_that_are_spelled_alike_are_told_apart() -> None:
    data = table(f=table().f.map({"A": "a+b", "B": "a + b", "C": "c"}))
    spec = hl.Model("y ~ f", data, priors={"f[a+b]": 1.0}).spec
    assert [item.name for item in spec.priors if not item.is_default] == ["f[a+b]"]
    error = refusal("y ~ f", data, priors={"f[a + b]": 1.0})
    check_message(error, hl.PriorError, ("no parameter is called 'f[a + b]'",))


def test_priors_of_a_model_are_looked_up_by_name() -> None:
    with pytest.raises(KeyError, match="zebra"):
        hl.Model("y ~ x", table()).spec.priors["zebra"]


@pytest.mark.parametrize("name", ["", "(", "a[b", "]", "x:", "::", "'", "y ~ x", "not (a name"])
def test_text_that_is_no_name(name: str) -> None:
    error = refusal("y ~ x", priors={name: 1.0})
    check_message(error, hl.PriorError, (f"no parameter is called {name!r}",))
