"""A model in plain sentences."""

from __future__ import annotations

from hierlm import names
from hierlm.checking.findings import listed
from hierlm.design import GroupEncoding
from hierlm.design.columns import Terms
from hierlm.formula import unparse
from hierlm.spec import ModelSpec

_DISTRIBUTIONS = {
    "gaussian": "normally distributed around its expectation",
    "student": "distributed around its expectation as Student's t, which allows for outliers",
    "lognormal": "lognormal: its logarithm is normally distributed",
    "gamma": "a positive number with a gamma distribution",
    "beta": "a share between 0 and 1 with a beta distribution",
    "bernoulli": "one of two outcomes, with a probability",
    "binomial": "a number of successes in so many trials, with a probability",
    "poisson": "a count with a Poisson distribution",
    "negbinomial": "a count that varies more than a Poisson count (negative binomial)",
}
_EXPECTATIONS = {"bernoulli": "that probability", "binomial": "that probability"}
_LINKS = {
    "identity": "{}",
    "log": "the logarithm of {}",
    "logit": "the log odds of {}",
    "probit": "the probit of {}",
    "cloglog": "the complementary log-log of {}",
    "inverse": "the inverse of {}",
    "sqrt": "the square root of {}",
}


def response_name(spec: ModelSpec) -> str:
    """Return the response as written."""
    return unparse(spec.encoding.formula.response.expression)


def products(terms: Terms) -> list[str]:
    """Return the predictors of a sum, interactions as ``a × b``."""  # noqa: RUF002
    return [" × ".join(map(unparse, product)) for product in terms.products]  # noqa: RUF001


def asked(spec: ModelSpec) -> str:
    """Return the question of a model: what is modelled, by what, varying by what.

    Examples
    --------
    >>> import hierlm as hl
    >>> model = hl.Model("Reaction ~ Days + (Days | Subject)", hl.load_dataset("sleepstudy"))
    >>> asked(model.spec).split(", ")  # doctest: +NORMALIZE_WHITESPACE
    ['How does Reaction depend on Days',
     'and how much does that differ between the levels of Subject?']
    """
    response, predictors = response_name(spec), products(spec.encoding.common.terms)
    factors = listed([group.factor for group in spec.groups])
    if predictors and factors:
        slopes = any(_slopes(group) for group in spec.groups)
        differ = "that differ" if slopes else f"{response} differ"
        return (
            f"How does {response} depend on {listed(predictors)}, and how much does {differ} "
            f"between the levels of {factors}?"
        )
    if predictors:
        return f"How does {response} depend on {listed(predictors)}?"
    if factors:
        return f"How much does {response} differ between the levels of {factors}?"
    return f"What is {response} on average, and how much does it vary?"


def sentences(spec: ModelSpec) -> list[str]:
    """Return what the model says of the response, and then of each grouping factor."""
    family = spec.family
    response = response_name(spec)
    distribution = _distribution(spec)
    expectation = _EXPECTATIONS.get(family.name, "the expectation")
    if family.name == "lognormal":
        expectation = "the expectation of that logarithm"
    linked = _LINKS.get(family.link.name, f"{family.link.name} of {{}}").format(expectation)
    parts = ["an intercept"] if spec.has_intercept else []
    predictors = products(spec.encoding.common.terms)
    if predictors:
        plural = "s" if len(predictors) > 1 else ""
        parts.append(f"the common effect{plural} of {listed(predictors, 12)}")
    parts += [f"the deviation of its level of {group.factor}" for group in spec.groups]
    parts += [f"the offset {offset.text}" for offset in spec.encoding.values.offsets]
    first = f"{response} is {distribution}; {linked} is the sum of {listed(parts, 12)}."
    return [first, *map(varying, spec.groups)]


def _distribution(spec: ModelSpec) -> str:
    values, name = spec.encoding.values, spec.family.name
    if values.response is not None and values.response.levels:
        return f"one of two outcomes, and {values.response.levels[-1]!r} with a probability"
    if values.trials is not None and name == "binomial":
        return f"a number of successes in {values.trials.text} trials, each with a probability"
    return _DISTRIBUTIONS.get(name, f"of the family {name}")


def varying(group: GroupEncoding) -> str:
    """Return what varies by a factor, and whether it correlates."""
    what = ["the intercept"] if names.INTERCEPT in group.coefs else []
    slopes = _slopes(group)
    if slopes:
        what.append(f"the effect{'s' if len(slopes) > 1 else ''} of {listed(slopes, 8)}")
    verb = "varies" if len(what) == 1 and len(slopes) <= 1 else "vary"
    text = f"By {group.factor} ({len(group.levels.labels):,} levels), {listed(what)} {verb}"
    if len(group.coefs) == 1:
        return f"{text}: each level has its own, from a normal distribution whose sd is learnt."
    covariance = group.covariance
    if not covariance.pairs:
        correlated = ", without correlation between them"
    elif len(covariance.parts) == 1:
        correlated = " and may be correlated"
    else:
        correlated = ", correlated within a bar of the formula and not between bars"
    return (
        f"{text}{correlated}: each level has its own, from a multivariate normal distribution "
        "whose sds are learnt."
    )


def _slopes(group: GroupEncoding) -> list[str]:
    return list(dict.fromkeys(p for columns, _ in group.bars for p in products(columns.terms)))


POOLING = (
    "Levels are estimated neither each by itself nor all alike: the model learns how much they "
    "differ, and pulls the estimate of a level towards the others, the more so the fewer rows it "
    "has (partial pooling)."
)
