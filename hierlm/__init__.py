"""hierlm: Bayesian hierarchical models from a mixed-model formula and a table.

The pipeline, and where each stage lives::

    text --> Formula       hierlm.formula    parse, with the place of every error
    data --> Encoding      hierlm.design     levels, contrasts, transforms: learnt once
         --> ModelSpec     hierlm.building   formula + encoding + family + priors
         --> Design        hierlm.design     the rows as numbers
         --> Engine        hierlm.engines    NUTS on one specification
         --> DataTree      hierlm.engines    draws in canonical names
         --> Fit           hierlm.results    tables and reports

>>> import hierlm as hl
>>> model = hl.Model("Reaction ~ Days + (Days | Subject)", hl.load_dataset("sleepstudy"))
>>> model.spec.coefs
('Intercept', 'Days')
"""

from importlib.metadata import version

from hierlm.calibration import Calibration, calibrate, recovery
from hierlm.comparison import compare
from hierlm.datasets import list_datasets, load_dataset
from hierlm.errors import (
    ConvergenceWarning,
    DataError,
    DatasetError,
    DataWarning,
    DesignWarning,
    EngineError,
    FamilyError,
    FormulaError,
    FormulaWarning,
    HierlmError,
    HierlmWarning,
    MissingColumnError,
    MissingDependencyError,
    PriorError,
)
from hierlm.families import Family
from hierlm.modeling import Model, fit, load
from hierlm.priors import (
    LKJ,
    Beta,
    Cauchy,
    Exponential,
    Flat,
    Gamma,
    HalfCauchy,
    HalfNormal,
    HalfStudentT,
    InverseGamma,
    Laplace,
    LogNormal,
    Normal,
    StudentT,
    Uniform,
)
from hierlm.results import Fit, table
from hierlm.simulation import simulate

__version__ = version("hierlm")

__all__ = [
    "LKJ",
    "Beta",
    "Calibration",
    "Cauchy",
    "ConvergenceWarning",
    "DataError",
    "DataWarning",
    "DatasetError",
    "DesignWarning",
    "EngineError",
    "Exponential",
    "Family",
    "FamilyError",
    "Fit",
    "Flat",
    "FormulaError",
    "FormulaWarning",
    "Gamma",
    "HalfCauchy",
    "HalfNormal",
    "HalfStudentT",
    "HierlmError",
    "HierlmWarning",
    "InverseGamma",
    "Laplace",
    "LogNormal",
    "MissingColumnError",
    "MissingDependencyError",
    "Model",
    "Normal",
    "PriorError",
    "StudentT",
    "Uniform",
    "__version__",
    "calibrate",
    "compare",
    "fit",
    "list_datasets",
    "load",
    "load_dataset",
    "recovery",
    "simulate",
    "table",
]
