"""Radon (Gelman and Hill 2007, chapters 12 and 13): counties, floors, and uranium below them.

python examples/radon.py [--out FOLDER]

The response is log(activity + 0.1), as in rstanarm; the book has log(0.1) for houses without.
"""

from __future__ import annotations

from pictures import Pictures, arguments, title

import hierlm as hl
from hierlm import teaching

FORMULAS = {
    "varying intercepts": "log_radon ~ floor + (1 | county)",
    "and uranium": "log_radon ~ floor + log_uranium + (1 | county)",
    "and slopes": "log_radon ~ floor * log_uranium + (floor | county)",
}


def pooling(fit: hl.Fit) -> None:
    """Show counties of few houses and of many: the less a county says, the more it borrows."""
    title("Borrowing strength: counties with few and with many houses")
    table = fit.shrinkage("county").xs("Intercept", level="coef").sort_values("rows")
    columns = ["rows", "no_pooling", "no_pooling_se", "mean", "sd", "pooling"]
    shown = table.iloc[[0, 1, 2, 40, 41, -2, -1]]
    print(shown[columns].astype(float).round(2).to_string())


def newcomers(fit: hl.Fit) -> None:
    """Predict houses of a known county, and of one without data whose uranium is known."""
    title("A house on the ground floor: in Hennepin, and in a county without data")
    houses = {"floor": [1, 1], "log_uranium": [0.1, 0.1], "county": ["HENNEPIN", "new"]}
    for name, table in (
        ("expected", fit.epred(houses, new_levels="sample", summary=True, seed=1)),
        ("one house", fit.predict(houses, new_levels="sample", summary=True, seed=1)),
    ):
        print(f"\n{name}\n{table.set_axis(houses['county']).round(2).to_string()}")


def draw(pictures: Pictures, fits: dict[str, hl.Fit]) -> None:
    """Save the figures."""
    counties = ["LACQUIPARLE", "AITKIN", "KOOCHICHING", "DOUGLAS", "CLAY", "STEARNS", "RAMSEY",
                "STLOUIS"]  # fmt: skip
    pictures.save("counties", fits["varying intercepts"].plot_groups(x="floor", levels=counties))
    pictures.save("uranium", fits["and uranium"].plot_predictions("log_uranium"))
    pictures.save("slopes", fits["and slopes"].plot_correlation())
    pictures.save("residuals", fits["and slopes"].plot_residuals())


def main() -> None:
    """Run the example."""
    _, pictures = arguments(__doc__)
    data = hl.load_dataset("radon")
    title("Complete pooling, and none")
    print(teaching.lm("log_radon ~ floor", data), "\n")
    none = teaching.lm("log_radon ~ 0 + county + floor", data)
    print(f"A county each: {len(none.fixef) - 1} intercepts with standard errors from "
          f"{none.fixef['se'].min():.2f} to {none.fixef['se'].max():.2f}")  # fmt: skip

    fits = {}
    for name, formula in FORMULAS.items():
        title(f"{name}: {formula}")
        fits[name] = hl.fit(formula, data, seed=1, progress=False)
        print(fits[name].mle(), "\n")
        print(teaching.beside_lme4(fits[name]).round(3).to_string(na_rep=""))
    title("Side by side")
    print(hl.table(*fits.values(), labels=list(fits)))
    print(f"\n{hl.compare(fits)}")
    pooling(fits["varying intercepts"])
    newcomers(fits["and uranium"])
    draw(pictures, fits)


if __name__ == "__main__":
    main()
