"""Designs and generative diagrams."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import hierlm as hl
from hierlm import plots
from hierlm.errors import DataError
from hierlm.plots.design import cross_table, factors_of
from hierlm.plots.diagram import diagram


def test_nested() -> None:
    table = cross_table(hl.load_dataset("Pastes"), "batch", "batch:cask")
    assert table.relation == "batch:cask is nested in batch; balanced, 2 rows in each cell"
    np.testing.assert_array_equal(table.counts, np.kron(np.eye(10), 2 * np.ones((1, 3))))
    swapped = cross_table(hl.load_dataset("Pastes"), "batch:cask", "batch")
    assert swapped.relation == table.relation


def test_nested_levels_stand_together() -> None:
    data = pd.DataFrame({"school": list("aabb") * 2, "class": [4, 2, 3, 1] * 2})
    table = cross_table(data, "school", "class")
    assert table.columns == ("2", "4", "1", "3")
    assert (table.counts == [[2, 2, 0, 0], [0, 0, 2, 2]]).all()


def test_crossed_and_partly() -> None:
    assert cross_table(hl.load_dataset("Penicillin"), "plate", "sample").relation == (
        "sample and plate are crossed; balanced, 1 row in each cell"
    )
    table = cross_table(hl.load_dataset("cbpp"), "herd", "period")
    assert table.relation.startswith("period and herd are partly crossed (93% of cells)")
    table = cross_table(hl.load_dataset("Arabidopsis"), "gen", "popu")
    assert table.relation == "gen is nested in popu; unbalanced, 11 to 47 rows in a cell"


def test_picture_of_two_factors() -> None:
    drawn = plots.plot_design(hl.load_dataset("Pastes"), "batch", "cask")
    assert drawn.viz["plot"].panel.to_numpy().tolist() == ["links", "rows per cell"]
    shown = drawn.viz["plot"].sel(panel="rows per cell").item().images[0].get_array()
    assert shown.shape == (10, 3)
    assert (shown == 2).all()
    links = drawn.viz["plot"].sel(panel="links").item().lines[0].get_xydata()
    assert len(links) == 3 * 30


def test_many_levels_and_one_factor() -> None:
    drawn = plots.plot_design(hl.load_dataset("VerbAgg"), "id", "item")
    assert drawn.viz["plot"].panel.to_numpy().tolist() == ["rows per cell"]
    drawn = plots.plot_design(hl.load_dataset("radon"), "county")
    axes = drawn.viz["plot"].item()
    assert axes.get_title() == "85 levels of county, 1 to 116 rows each"
    assert len(axes.patches) == 85


def test_unknown_column() -> None:
    with pytest.raises(DataError, match=r"no column 'batc'\. Did you mean 'batch'"):
        plots.plot_design(hl.load_dataset("Pastes"), "batc:cask", "sample")


def test_factors_of_a_model() -> None:
    model = hl.Model("diameter ~ 1 + (1 | plate) + (1 | sample)", hl.load_dataset("Penicillin"))
    assert factors_of(model.spec, None, None) == ("plate", "sample")
    assert factors_of(model.spec, "sample", None) == ("sample", "plate")
    alone = hl.Model("Yield ~ 1 + (1 | Batch)", hl.load_dataset("Dyestuff"))
    assert factors_of(alone.spec, None, None) == ("Batch", None)
    none = hl.Model("Reaction ~ Days", hl.load_dataset("sleepstudy"))
    with pytest.raises(DataError, match="no grouping factor"):
        factors_of(none.spec, None, None)


def test_generative_diagram() -> None:
    model = hl.Model("Reaction ~ Days + (Days | Subject)", hl.load_dataset("sleepstudy"))
    made = diagram(model.spec)
    assert set(made.edges) == {
        ("beta", "mean"),
        ("sd_Subject", "r_Subject"),
        ("cor_Subject", "r_Subject"),
        ("r_Subject", "mean"),
        ("mean", "Reaction"),
        ("sigma", "Reaction"),
    }
    inside = {name: [node.name for node in nodes] for name, nodes in made.plates.items()}
    assert inside == {"Subject: 18 levels": ["r_Subject"], "180 rows": ["mean", "Reaction"]}
    says = {node.name: node.says for node in made.nodes}
    assert says["cor_Subject"] == "LKJ(2)"
    assert says["Reaction"] == "gaussian(mean, sigma)"
    assert says["sigma"] == str(model.spec.priors["sigma"])


def test_diagram_of_links_and_trials() -> None:
    data = hl.load_dataset("cbpp")
    model = hl.Model("p(incidence, size) ~ period + (1 | herd)", data, family="binomial")
    says = {node.name: node.says for node in diagram(model.spec).nodes}
    assert says["mean"] == "logit(mean) =\nX beta + Z r_herd"
    assert "binomial(trials, mean)" in says.values()
    text = diagram(model.spec).dot()
    assert text.startswith("digraph model {")
    assert text.count("{") == text.count("}")


def test_dot_is_quoted() -> None:
    data = hl.load_dataset("sleepstudy").rename(columns={"Subject": 'sub"j\\'})
    model = hl.Model('Reaction ~ 1 + (1 | `sub"j\\`)', data)
    text = diagram(model.spec).dot()
    assert 'r_sub\\"j\\\\' in text
    drawn = plots.plot_model(model.spec)
    drawn.viz["figure"].item().canvas.draw()


def test_diagram_is_drawn_without_a_binary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    model = hl.Model("Reaction ~ Days + (Days | Subject)", hl.load_dataset("sleepstudy"))
    drawn = plots.plot_model(model.spec)
    axes = drawn.viz["plot"].item()
    said = [text.get_text() for text in axes.texts]
    assert {"beta", "sd_Subject", "r_Subject", "180 rows", "Subject: 18 levels"} <= set(said)
