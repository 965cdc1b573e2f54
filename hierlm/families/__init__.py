"""Response families: link, support, log density and random draws, in NumPy."""

from hierlm.families.catalog import FAMILIES, family_names, get_family
from hierlm.families.family import Family, Shape
from hierlm.families.links import LINKS, Link, get_link
from hierlm.families.scale import on_link_scale
from hierlm.families.support import Rule, Support

__all__ = [
    "FAMILIES",
    "LINKS",
    "Family",
    "Link",
    "Rule",
    "Shape",
    "Support",
    "family_names",
    "get_family",
    "get_link",
    "on_link_scale",
]
