"""The command ``hierlm``: a demonstration, a fit or a check from the shell, the bundled data sets.

Results go to the standard output; progress and ``note:`` lines go to the standard error. A check
that fails is exit code 1, a user's mistake is one message and exit code 2, Ctrl-C is 130, a reader
that left is 141 and silent.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

from hierlm.calibration import Calibration, calibrate
from hierlm.datasets import catalog, describe_dataset, list_datasets, load_dataset
from hierlm.datasets.catalog import entry
from hierlm.document import STAGES, document, to_json
from hierlm.engines import Choice, settings
from hierlm.engines.choice import ENGINES
from hierlm.engines.pymc import SAMPLERS, check_sampler
from hierlm.errors import ConvergenceWarning, HierlmError, HierlmWarning
from hierlm.families import family_names
from hierlm.modeling import Model, load
from hierlm.results import Fit
from hierlm.shell import CommandError, check_writable, find_data, once, split_prior, wrapped
from hierlm.tables import columns_of_text, fill

_DESCRIPTION = "Bayesian hierarchical models from a mixed-model formula and a table."
_EXAMPLES = """\
examples:
  hierlm fit sleepstudy "Reaction ~ Days + (Days | Subject)" --seed 1 --out fit.nc
  hierlm check sleepstudy "Reaction ~ Days + (Days | Subject)" --out check.jsonl
  hierlm fit trial.csv "cured ~ dose + (1 | clinic)" --family bernoulli \\
      --prior "dose=normal(0, 1)" --prior "sd_clinic=halfnormal(1)"
"""
_IN_WORDS = (
    "The model: a straight line over the days for each subject; the subjects' intercepts and "
    "slopes vary around common ones, and may be correlated."
)
_NEXT = """\
Try next
  hierlm datasets                  the other data sets; with a name, all about that one
  hierlm fit --help                your own table and formula
  hierlm fit cbpp "p(incidence, size) ~ period + (1 | herd)" --family binomial"""


class _Parser(argparse.ArgumentParser):
    """A parser that raises its complaints, and takes options by their full names only."""

    def __init__(self, **options: Any) -> None:
        kept = argparse.RawDescriptionHelpFormatter
        super().__init__(allow_abbrev=False, formatter_class=kept, **options)

    def error(self, message: str) -> NoReturn:
        raise CommandError(f"{message}\n  See: {self.prog} --help")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; those of the process when not given.

    Returns
    -------
    int
        The exit code: 0, 1 after a check that failed, 2 after a mistake, 130 after Ctrl-C, 141 when
        the reader left.
    """
    try:
        with warnings.catch_warnings():
            _show_notes()
            code = _run(argv)
            sys.stdout.flush()
    except HierlmError as error:
        print(wrapped(f"hierlm: {error}"), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("hierlm: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # what is still buffered would raise again when Python flushes at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return code


def _run(argv: Sequence[str] | None) -> int:
    try:
        args = _parser().parse_args(argv)
    except SystemExit:  # --help or --version, which have printed; mistakes raise CommandError
        return 0
    code: int = args.run(args) or 0
    return code


def _parser() -> _Parser:
    parser = _Parser(prog="hierlm", description=_DESCRIPTION, epilog=_EXAMPLES)
    parser.add_argument("--version", action="version", version=f"hierlm {version('hierlm')}")
    parser.set_defaults(run=lambda _: parser.print_help())
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    says = "fit a first model to bundled data"
    demo = commands.add_parser("demo", help=says, description=f"{says.capitalize()}.")
    _add_sampling(demo, seed=1)
    demo.set_defaults(run=_demo, json=False)

    says = "fit a formula to a table"
    fit = commands.add_parser("fit", help=says, description=f"{says.capitalize()}.")
    fit.epilog = _EXAMPLES
    _add_model(fit)
    _add_sampling(fit)
    fit.add_argument("--out", metavar="FILE", help="save the fit; hierlm.load(FILE) reads it")
    fit.add_argument("--json", action="store_true", help="print JSON, not model and report")
    fit.set_defaults(run=_fit)

    says = "check by simulation that the posteriors of a model are right"
    check = commands.add_parser("check", help=says, description=f"{says.capitalize()}.")
    _add_model(check)
    _add_checking(check)
    check.set_defaults(run=_check)

    says = "write the report of a saved fit to one file, for a browser or the printer"
    report = commands.add_parser("report", help=says, description=f"{says.capitalize()}.")
    report.add_argument("fit", metavar="FIT", help="a file that hierlm fit --out wrote")
    report.add_argument("-o", "--out", metavar="FILE", help="default: FIT with the ending .html")
    report.add_argument("--title", metavar="TEXT", help="default: what is modelled")
    report.add_argument("--question", metavar="TEXT", help="default: what the formula asks")
    report.set_defaults(run=_report)
    says = "list the bundled data sets, or describe one"
    datasets = commands.add_parser("datasets", help=says, description=f"{says.capitalize()}.")
    datasets.add_argument("name", metavar="NAME", nargs="?", help="the one to describe")
    datasets.add_argument("--json", action="store_true", help="print JSON")
    datasets.set_defaults(run=_datasets)
    return parser


def _add_model(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("data", metavar="DATA", help="a csv, tsv or parquet file, or a bundled data set's name")
    add("formula", metavar="FORMULA", help='for example "y ~ x + (x | group)"')
    add("--family", default="gaussian", help=f"{', '.join(family_names())} (default: gaussian)")
    add("--link", help="default: the family's own")
    says = "as in 'Days=normal(0, 20)'; a number fixes the parameter; repeatable"
    add("--prior", dest="priors", metavar="NAME=TEXT", action="append", type=split_prior, help=says)
    says = "sample this factor's effects centered, for many rows per level; repeatable"
    add("--centered", metavar="FACTOR", action="append", help=says)


def _add_sampling(parser: argparse.ArgumentParser, seed: int | None = None) -> None:
    add = parser.add_argument_group("sampling").add_argument
    add("--draws", type=int, metavar="N", default=1000, help="kept per chain (default: 1000)")
    add("--tune", type=int, metavar="N", help="warm-up per chain (default: what the engine needs)")
    add("--chains", type=int, metavar="N", default=4, help="default: 4")
    add("--cores", type=int, metavar="N", help="default: one per chain, as far as there are")
    says = f"the same seed gives the same draws (default: {'random' if seed is None else seed})"
    add("--seed", type=int, metavar="N", default=seed, help=says)
    says = "in (0, 1); nearer 1 for fewer divergences (default: what suits the engine)"
    add("--target-accept", type=float, metavar="P", help=says)
    add("--engine", metavar="E", default="auto", help=f"auto, {', '.join(ENGINES)} (default: auto)")
    says = f"{', '.join(SAMPLERS)} (default: nutpie)"
    add("--sampler", metavar="S", default="nutpie", choices=SAMPLERS, help=says)
    add("--quiet", action="store_true", help="no progress and no notes on the standard error")


def _add_checking(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("simulation-based calibration").add_argument
    add("--replications", type=int, metavar="N", default=200, help="default: 200")
    add("--seed", type=int, metavar="N", help="default: that of --out if it is there, else random")
    add("--engine", metavar="E", default="auto", help="default: auto")
    add("--draws", type=int, metavar="N", default=250, help="per chain (default: 250)")
    add("--tune", type=int, metavar="N", help="warm-up per chain (default: what the engine needs)")
    add("--chains", type=int, metavar="N", default=2, help="default: 2")
    says = "replications at a time, each in a process (default: as many as there are cores)"
    add("--cores", type=int, metavar="N", help=says)
    says = "of rejecting a right sampler, over all quantities (default: 0.01)"
    add("--level", type=float, metavar="P", default=0.01, help=says)
    says = "write each replication as it ends; the same command goes on where it stopped"
    add("--out", metavar="FILE", help=says)
    add("--plot", metavar="FILE", help="draw the ECDFs of the ranks: a png, pdf or svg")
    add("--json", action="store_true", help="print JSON, not the verdict")
    add("--quiet", action="store_true", help="no progress and no notes on the standard error")


def _demo(args: argparse.Namespace) -> None:
    _sampling(args)
    dataset = entry("sleepstudy")
    model = Model(dataset.formula, load_dataset(dataset.name), family=dataset.family)
    choice = _choice(model, args)
    print(f"{dataset.title}: {dataset.rows} rows, the bundled data set {dataset.name!r}.")
    print(fill(dataset.question), fill(_IN_WORDS), f"\n{model}\n", sep="\n", flush=True)
    fit = _sample(model, args, choice)
    attrs = fit.idata.attrs
    times = [f"{stage} {attrs[f'{stage}_time']:.1f} s" for stage in STAGES]
    print(f"{fit}\n\nTime: {', '.join(times)}.\n\n{_NEXT}")


def _fit(args: argparse.Namespace) -> None:
    if args.quiet:
        warnings.simplefilter("ignore", HierlmWarning)
    _sampling(args)
    check_writable(args.out)
    model, found = _model(args)
    choice = _choice(model, args)
    if not args.json:
        print(f"{model}\n", flush=True)
    fit = _sample(model, args, choice)
    try:
        if args.out is not None:  # before the report: a reader may leave, the file stays
            fit.save(args.out)
            _tell(args, f"saved: {args.out}")
    except OSError as error:
        raise CommandError(f"--out {error}") from error
    finally:
        print(to_json({"data": found, **document(fit)}) if args.json else fit)


def _check(args: argparse.Namespace) -> int:
    if args.quiet:
        warnings.simplefilter("ignore", HierlmWarning)
    for path in (args.out, args.plot):
        check_writable(path)
    _check_ending(args.plot)
    model, found = _model(args)
    names = ("replications", "seed", "engine", "draws", "tune", "chains", "cores", "level")
    options = {name: getattr(args, name) for name in names}
    try:
        result = calibrate(model, path=args.out, progress=not args.quiet, **options)
    except OSError as error:
        raise CommandError(f"--out {error}") from error
    print(to_json({"data": found, **_verdict(result)}) if args.json else result)
    if args.plot is not None:
        try:
            result.plot().savefig(args.plot)
        except OSError as error:  # a full disk
            raise CommandError(f"--plot {args.plot!r}: {error}") from error
    return 0 if result.ok else 1


def _check_ending(plot: str | None) -> None:
    """Refuse a picture that could not be written, before the hours that come first."""
    if plot is None:
        return
    canvas = importlib.import_module("matplotlib.backend_bases").FigureCanvasBase
    endings, ending = canvas.get_supported_filetypes(), Path(plot).suffix.lower().lstrip(".")
    if ending not in endings:
        raise CommandError(
            f"--plot {plot!r} ends in {ending!r}, which is no kind of picture.\n"
            f"  There are {', '.join(sorted(endings))}."
        )


def _verdict(result: Calibration) -> dict[str, Any]:
    names = ("formula", "family", "engine", "seed", "ranked", "level", "replications")
    return {
        "ok": result.ok,
        "rejected": list(result.rejected),
        **{name: getattr(result, name) for name in names},
        "tests": result.tests.reset_index().to_dict("records"),
        "recovery": result.recovery.reset_index().to_dict("records"),
        "notes": list(result.notes),
    }


def _report(args: argparse.Namespace) -> None:
    out = args.out or str(Path(args.fit).with_suffix(".html"))
    if Path(out).resolve() == Path(args.fit).resolve():
        raise CommandError(f"--out {out!r} is the fit itself.\n  Give the report another name.")
    check_writable(out)
    try:
        print(load(args.fit).report(out, title=args.title, question=args.question))
    except OSError as error:
        raise CommandError(f"--out {error}") from error


def _datasets(args: argparse.Namespace) -> None:
    if args.name is not None:
        print(to_json(asdict(entry(args.name))) if args.json else describe_dataset(args.name))
    elif args.json:
        print(to_json(list_datasets().to_dict("records")))
    else:
        sets = catalog().values()
        rows = [(d.name, f"{d.rows:>5,}", d.family or "-", d.question) for d in sets]
        table = columns_of_text([("name", " rows", "family", "question"), *rows], indent="")
        print(*table, "", "hierlm datasets NAME describes one.", sep="\n")


def _model(args: argparse.Namespace) -> tuple[Model, str]:
    """Return the model, and where its data are from."""
    data, found = find_data(args.data)
    _tell(args, f"data: {found}")
    model = Model(
        args.formula,
        data,
        family=args.family,
        link=args.link,
        priors=once(args.priors or ()),
        parameterization=dict.fromkeys(args.centered or (), "centered"),
    )
    return model, found


def _choice(model: Model, args: argparse.Namespace) -> Choice:
    """Return the engine; refuse now what `Model.fit` would after the model is printed."""
    check_sampler(args.sampler)
    choice = model.engine(args.engine, sampler=args.sampler)
    choice.engine.check_given(tune=args.tune, target_accept=args.target_accept)
    return choice


def _sample(model: Model, args: argparse.Namespace, choice: Choice) -> Fit:
    if choice.engine.name == "pymc":
        _tell(args, "compiling the model: this can take a minute; sampling comes after it")
    if not args.json:  # the report says it
        warnings.simplefilter("ignore", ConvergenceWarning)
    return model.fit(engine=args.engine, **_sampling(args))


def _sampling(args: argparse.Namespace) -> dict[str, Any]:
    """Return the options of `Model.fit`; refuse now what it would after the model is printed."""
    names = ("draws", "tune", "chains", "cores", "seed", "target_accept", "sampler")
    options = {name: getattr(args, name) for name in names} | {"progress": not args.quiet}
    given = {name: value for name, value in options.items() if value is not None}
    settings(**({"seed": None, "cores": None} | given))
    return options


def _tell(args: argparse.Namespace, text: str) -> None:
    if not args.quiet:
        print(text, file=sys.stderr, flush=True)


def _show_notes() -> None:
    """Show hierlm's warnings as notes, every time; others as Python does."""
    python_shows = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if issubclass(category, HierlmWarning):
            print(wrapped(f"note: {message}"), file=sys.stderr, flush=True)
        else:
            python_shows(message, category, *place, **more)

    warnings.simplefilter("always", HierlmWarning)
    warnings.showwarning = show
