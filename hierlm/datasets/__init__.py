"""Bundled data sets of the mixed-model literature: offline, documented, with their sources."""

from __future__ import annotations

from hierlm.datasets.card import describe_dataset
from hierlm.datasets.catalog import Column, Dataset, catalog
from hierlm.datasets.loading import list_datasets, load_dataset

__all__ = ["Column", "Dataset", "catalog", "describe_dataset", "list_datasets", "load_dataset"]
