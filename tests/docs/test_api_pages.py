"""The reference is complete: every public name stands in it, and nothing that is not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import hierlm as hl

API = Path(__file__).parents[2] / "docs" / "api"
DIRECTIVE = re.compile(r"^\.\. auto\w+:: hierlm\.([\w.]+)", re.MULTILINE)
LISTED = {name for page in API.glob("*.md") for name in DIRECTIVE.findall(page.read_text())}


def _public(cls: type) -> set[str]:
    return {f"{cls.__name__}.{name}" for name in dir(cls) if not name.startswith("_")}


def test_every_public_name_is_in_the_reference():
    assert not set(hl.__all__) - LISTED


@pytest.mark.parametrize("cls", [hl.Model, hl.Fit])
def test_every_public_method_is_in_the_reference(cls):
    assert not _public(cls) - LISTED


def test_the_reference_has_no_name_that_is_gone():
    ours = set(hl.__all__) | _public(hl.Model) | _public(hl.Fit)
    elsewhere = {name for name in LISTED if name.split(".")[0] not in hl.__all__}
    assert not LISTED - ours - elsewhere
