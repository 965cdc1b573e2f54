"""Saving and loading a fit: netCDF for draws and rows, JSON for the rest, nothing that executes.

The specification is not stored: it is learnt again from the stored rows, which gives the same one:
from those that it was learnt from, to which the rows that `Fit.update` added are added again.
"""

from __future__ import annotations

import dataclasses
import json
import os
import warnings
from collections.abc import Callable, Mapping
from datetime import datetime
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from hierlm import names
from hierlm.building import build, extend
from hierlm.design import Design, Dropped, Levels
from hierlm.design.frames import learn_predictor
from hierlm.design.levels import label
from hierlm.engines.tree import dims
from hierlm.errors import DataError, HierlmError, HierlmWarning
from hierlm.files import check_room, is_sealed, replacing, seal
from hierlm.spec import ModelSpec

_FORMAT = 1
_HEADERS = 2**20  # bytes beside the arrays, at most
_FRAME = "model_frame"
_TEXTS = ("formula", "family", "link", "engine", "sampler", "created_at", "versions")
_NUMBERS = ("draws", "tune", "chains", "seed", "target_accept", "sampling_time")
_NEEDED = ("posterior", "sample_stats", "observed_data", "constant_data", _FRAME)


def save(
    path: str | os.PathLike[str], spec: ModelSpec, frame: pd.DataFrame, idata: xr.DataTree
) -> None:
    """Write a fit to a netCDF file, or leave the file that was there as it was.

    Parameters
    ----------
    path : path
    spec : ModelSpec
    frame : pandas.DataFrame
        The columns of the formula, complete rows only.
    idata : xarray.DataTree

    Raises
    ------
    DataError
        If the folder is not there, or the levels would be others when the file is loaded.
    OSError
        If the file cannot be written.
    """
    target = Path(path)
    _check_target(target)
    tree = idata.copy()
    tree[_FRAME] = xr.DataTree(_frame_to_dataset(frame))
    tree.attrs["hierlm_format"] = _FORMAT
    tree.attrs["parameterization"] = json.dumps(dict(spec.parameterization))
    tree.attrs["dropped"] = json.dumps(dataclasses.asdict(spec.dropped))
    given = {item.origin: str(item.prior) for item in spec.priors if not item.is_default}
    tree.attrs["added_rows"] = spec.added_rows
    tree.attrs["given_priors"] = json.dumps(given)
    tree.attrs["column_rms"] = json.dumps(_rms(spec))
    with replacing(target) as part:
        _write(tree, part, target)
        written = xr.load_dataset(part, engine="h5netcdf", group=_FRAME)
        _check_levels(spec, _dataset_to_frame(written))
        seal(part)


def load(
    path: str | os.PathLike[str], functions: Mapping[str, Callable[..., Any]] | None = None
) -> tuple[ModelSpec, Design, pd.DataFrame, xr.DataTree]:
    """Read a fit that `save` wrote.

    Parameters
    ----------
    path : path
    functions : dict of str to callable, optional
        The functions of one's own that the formula calls; a file never brings code along.

    Returns
    -------
    ModelSpec, Design, pandas.DataFrame, xarray.DataTree

    Raises
    ------
    DataError
        If the file is not there, is damaged, or was not written by this version's format; or if
        `functions` compute other columns than those that the fit was made with.
    """
    file = Path(path)
    tree = _open(file)
    try:
        spec, design, kept = _relearn(tree, functions)
        _check_agreement(file, spec, tree)
        _check_columns(file, spec, design, tree)
    except HierlmError:
        raise
    except Exception as error:  # whatever a file may hold that no fit ever had
        raise DataError(
            f"{str(file)!r} is damaged: {type(error).__name__}, {error}\n  Fit the model again."
        ) from error
    del tree[_FRAME]
    return spec, design, kept, tree


def _relearn(
    tree: xr.DataTree, functions: Mapping[str, Callable[..., Any]] | None
) -> tuple[ModelSpec, Design, pd.DataFrame]:
    """Learn the specification again, from the rows and the settings in the file."""
    attrs = tree.attrs
    for name in (*_TEXTS, *_NUMBERS):
        if not isinstance(attrs[name], str if name in _TEXTS else Real):
            raise ValueError(f"{name} is {attrs[name]!r}")
    datetime.fromisoformat(attrs["created_at"])
    dict(json.loads(attrs["versions"]))
    frame = _dataset_to_frame(tree[_FRAME].to_dataset())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HierlmWarning)  # they were said when it was fitted
        learnt = len(frame) - int(attrs.get("added_rows", 0))
        spec, design, kept = build(
            attrs["formula"],
            frame.iloc[:learnt],
            family=attrs["family"],
            link=attrs["link"],
            priors=json.loads(attrs["given_priors"]),
            parameterization=json.loads(attrs["parameterization"]),
            functions=functions,
        )
        if learnt < len(frame):
            spec, design, kept = extend(spec, design, kept, frame.iloc[learnt:])
    dropped = Dropped(**json.loads(attrs["dropped"]))
    if dropped.total - dropped.rows != spec.n_rows or not isinstance(dropped.by_column, dict):
        raise ValueError(f"dropped is {attrs['dropped']}")
    return dataclasses.replace(spec, dropped=dropped), design, kept


def _check_target(target: Path) -> None:
    if target.is_dir():
        raise DataError(f"{str(target)!r} is a folder.\n  Give the path of a file.")
    if not target.parent.is_dir():
        raise DataError(
            f"{str(target)!r} cannot be written: there is no folder {str(target.parent)!r}."
        )


def _write(tree: xr.DataTree, part: Path, target: Path) -> None:
    size = sum(node.to_dataset().nbytes for node in tree.subtree)
    check_room(part, int(1.05 * size) + _HEADERS)
    try:
        tree.to_netcdf(part, engine="h5netcdf")
    except ValueError as error:  # a label with a NUL
        raise DataError(
            f"{str(target)!r} cannot be written: {error}.\n"
            "  Is there a strange character in a name or a label?"
        ) from error
    except RuntimeError as error:  # of HDF5, where the room was taken meanwhile
        raise OSError(str(error)) from error


def _check_levels(spec: ModelSpec, frame: pd.DataFrame) -> None:
    """Refuse rows whose levels did not survive, now that the draws are still there."""
    learnt = {p.name: p.levels for p in spec.encoding.predictors}
    first = frame.iloc[: len(frame) - spec.added_rows]
    found = {name: learn_predictor(first[name], spec.encoding.formula).levels for name in learnt}
    for group in spec.groups:
        learnt[group.factor] = group.levels.labels
        found[group.factor] = Levels.learn(group.levels.columns, frame)[0].labels
    changed = [name for name, levels in learnt.items() if found[name] != levels]
    if changed:
        raise DataError(
            f"the levels of {changed[0]!r} do not survive a netCDF file, and the fit could not be "
            "loaded; nothing was written.\n"
            "  Keep the draws with fit.idata.to_netcdf(path), and fit plain labels next time."
        )


def _open(path: Path) -> xr.DataTree:
    if not path.is_file():
        raise DataError(f"there is no file {str(path)!r}.")
    _check_whole(path)
    try:
        with xr.open_datatree(path, engine="h5netcdf") as opened:
            tree = opened.load()
    except Exception as error:
        raise DataError(
            f"{str(path)!r} cannot be read as netCDF: {error}\n"
            "  Is it whole? A fit is written by fit.save()."
        ) from error
    found = tree.attrs.get("hierlm_format")
    if found is None or any(name not in tree for name in _NEEDED):
        raise DataError(f"{str(path)!r} is not a fit that hierlm saved.")
    if str(found) != str(_FORMAT):
        raise DataError(
            f"{str(path)!r} has format {found}; this version of hierlm reads format {_FORMAT}."
        )
    return tree


def _check_whole(path: Path) -> None:
    """Refuse a file that is not as it was written, before HDF5 believes what it says."""
    sealed = is_sealed(path)
    if sealed is None:
        raise DataError(
            f"{str(path)!r} is not a fit that hierlm saved, or it was cut off or written anew: the "
            "checksum at its end is missing.\n  Was it copied in full? A fit is written by "
            "fit.save()."
        )
    if not sealed:
        raise DataError(
            f"{str(path)!r} is not as it was written: its checksum is that of other contents.\n"
            "  Take another copy, or fit the model again."
        )


def _check_agreement(path: Path, spec: ModelSpec, tree: xr.DataTree) -> None:
    """Refuse a file whose draws and rows do not belong together."""
    posterior = tree["posterior"].to_dataset()
    apart = {names.effects(g.factor) for g in spec.groups} if names.EFFECTS in tree else set()
    for name, own in dims(spec).items():
        if name not in apart and (
            name not in posterior or posterior[name].dims != (*names.SAMPLE_DIMS, *own)
        ):
            raise DataError(f"{str(path)!r} is damaged: it has no draws of {name!r}.")
    effects = tree[names.EFFECTS].to_dataset() if names.EFFECTS in tree else posterior
    for group in spec.groups:
        dim = names.levels_dim(group.factor)
        if _labels(effects, dim) != list(group.levels.labels):
            raise DataError(f"{str(path)!r} is damaged: its draws and rows differ in {dim!r}.")
    if spec.coefs and _labels(posterior, names.COEF) != list(spec.coefs):
        raise DataError(f"{str(path)!r} is damaged: its draws and rows differ in coefficients.")
    for stat, values in tree["sample_stats"].to_dataset().data_vars.items():
        if values.dims[:2] != names.SAMPLE_DIMS or values.dtype.kind not in "biuf":
            raise DataError(f"{str(path)!r} is damaged: {str(stat)!r} is not a number per draw.")


def _check_columns(path: Path, spec: ModelSpec, design: Design, tree: xr.DataTree) -> None:
    """Refuse columns that a function of one's own computes otherwise than when it was fitted."""
    response = tree["observed_data"].to_dataset()[spec.response].to_numpy()
    rms = json.loads(tree.attrs["column_rms"]), _rms(spec)
    if not np.allclose(*rms, rtol=1e-6) or not np.allclose(response, design.response, rtol=1e-6):
        raise DataError(
            f"the columns that the formula of {str(path)!r} computes are not those of the fit.\n"
            "  Is one of functions= another function than it was then?"
        )


def _rms(spec: ModelSpec) -> list[float]:
    """Return the size of each column, which differs where they are computed otherwise."""
    encoding = spec.encoding
    varying = [columns for group in encoding.groups for columns, _ in group.bars]
    return [size for columns in (encoding.common, *varying) for size in columns.rms]


def _labels(dataset: xr.Dataset, dim: str) -> list[str]:
    return [str(label) for label in dataset[dim].to_numpy()]


def _frame_to_dataset(frame: pd.DataFrame) -> xr.Dataset:
    variables = {}
    for k, name in enumerate(frame.columns):
        column = frame[name]
        attrs: dict[str, Any] = {"name": str(name)}
        if isinstance(column.dtype, pd.CategoricalDtype):
            attrs["levels"] = json.dumps([label(value) for value in column.cat.categories])
            attrs["ordered"] = int(bool(column.cat.ordered))
            values = column.cat.codes.to_numpy(dtype=np.int64)
        elif pd.api.types.is_bool_dtype(column):
            attrs["bool"] = 1
            values = column.to_numpy(dtype=np.int8)
        elif pd.api.types.is_numeric_dtype(column):
            values = column.to_numpy()
        elif pd.api.types.is_string_dtype(column):
            values = column.to_numpy(dtype=str)
        else:  # times, as levels in their order
            values, moments = pd.factorize(column, sort=True)
            attrs["levels"] = json.dumps([label(value) for value in moments])
            attrs["ordered"] = 0
        variables[f"column_{k}"] = ((names.OBS,), values, attrs)
    return xr.Dataset(variables)


def _dataset_to_frame(dataset: xr.Dataset) -> pd.DataFrame:
    columns: dict[str, Any] = {}
    for k in range(len(dataset.data_vars)):
        variable = dataset[f"column_{k}"]
        values: Any = variable.to_numpy()
        attrs = variable.attrs
        if "levels" in attrs:
            labels = json.loads(attrs["levels"])
            values = pd.Categorical.from_codes(values, labels, ordered=bool(attrs["ordered"]))
        elif "bool" in attrs:
            values = values.astype(bool)
        elif values.dtype.kind in "OUST":
            values = pd.Series([str(value) for value in values], dtype="str")
        columns[str(attrs["name"])] = values
    return pd.DataFrame(columns)
