"""The command ``hierlm``: a demonstration, a fit from the shell, and the bundled data sets.

Results go to the standard output; progress and ``note:`` lines go to the standard error. A
user's mistake is one message and exit code 2, Ctrl-C is 130, a reader that left is 141 and silent.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import textwrap
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

from hierlm.datasets import catalog, describe_dataset, list_datasets, load_dataset
from hierlm.datasets.catalog import entry
from hierlm.document import STAGES, document, to_json
from hierlm.engines import Choice, settings
from hierlm.engines.choice import ENGINES
from hierlm.engines.pymc import SAMPLERS, check_sampler
from hierlm.errors import ConvergenceWarning, DatasetError, HierlmError, HierlmWarning
from hierlm.families import family_names
from hierlm.modeling import Model, load
from hierlm.results import Fit
from hierlm.sources.files import open_file
from hierlm.tables import WIDTH, columns_of_text, fill

_DESCRIPTION = "Bayesian hierarchical models from a mixed-model formula and a table."
_EXAMPLES = """\
examples:
  hierlm fit sleepstudy "Reaction ~ Days + (Days | Subject)" --seed 1 --out fit.nc
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


class CommandError(HierlmError):
    """A command line that cannot be carried out."""


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
        The exit code: 0, 2 after a mistake, 130 after Ctrl-C, 141 when the reader left.
    """
    try:
        with warnings.catch_warnings():
            _show_notes()
            _run(argv)
            sys.stdout.flush()
    except HierlmError as error:
        print(_wrapped(f"hierlm: {error}"), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("hierlm: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # what is still buffered would raise again when Python flushes at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return 0


def _run(argv: Sequence[str] | None) -> None:
    try:
        args = _parser().parse_args(argv)
    except SystemExit:  # --help or --version, which have printed; mistakes raise CommandError
        return
    args.run(args)


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
    data, found = find_data(args.data)
    _tell(args, f"data: {found}")
    model = Model(
        args.formula,
        data,
        family=args.family,
        link=args.link,
        priors=_once(args.priors or ()),
        parameterization=dict.fromkeys(args.centered or (), "centered"),
    )
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


def find_data(text: str) -> tuple[Any, str]:
    """Return what DATA stands for, a file that exists or else a bundled data set, and say which."""
    bundled = text.casefold() in map(str.casefold, catalog())
    if os.path.isfile(text):
        return text, f"the file {text!r}" + (", not the bundled data set" if bundled else "")
    if not bundled and ("." in text or os.sep in text):
        open_file(text)  # says why a path will not do
    try:
        name = entry(text).name
    except DatasetError as error:
        raise DatasetError(f"there is no file {text!r}, and {error}") from None
    return load_dataset(name), f"the bundled data set {name!r}"


def check_writable(path: str | None) -> None:
    """Refuse an --out that cannot be written, before any time is spent on sampling."""
    if path is None:
        return
    if os.path.isdir(path):
        raise CommandError(f"--out {path!r} is a folder.\n  Give the path of a file.")
    folder = Path(path).parent
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        reason = f"{error.strerror} ({str(folder)!r})"
        raise CommandError(f"--out {path!r} cannot be written: {reason}.") from error


def split_prior(text: str) -> tuple[str, str]:
    """Split ``NAME=PRIOR`` at the first ``=`` outside brackets.

    Examples
    --------
    >>> split_prior("bs(x, df=4)[0] = normal(mu=0, sigma=1)")
    ('bs(x, df=4)[0]', 'normal(mu=0, sigma=1)')
    """
    heads = [text[:place] for place, char in enumerate(text) if char == "="]
    outside = [h for h in heads if sum(map(h.count, "([")) <= sum(map(h.count, ")]"))]
    name = (outside or heads or [""])[0]
    prior = text[len(name) + 1 :].strip()
    if not name.strip() or not prior:
        raise CommandError(
            f"--prior {text!r}: wanted NAME=PRIOR.\n"
            "  Write --prior 'Days=normal(0, 20)', or --prior nu=4 to fix a parameter."
        )
    return name.strip(), prior


def _once(priors: Sequence[tuple[str, str]]) -> dict[str, str]:
    found = dict(priors)
    for name, prior in priors:
        if prior != found[name]:
            raise CommandError(f"--prior {name} is given twice: {prior} and {found[name]}.")
    return found


def _wrapped(message: str) -> str:
    """Wrap the lines of a message, but for those that quote a formula: four spaces."""
    lines = []
    for line in message.splitlines():
        after = " " * (2 + len(line) - len(line.lstrip()))
        wrap = textwrap.TextWrapper(WIDTH, subsequent_indent=after, break_on_hyphens=False)
        lines.append(line if line.startswith("    ") else wrap.fill(line))
    return "\n".join(lines)


def _tell(args: argparse.Namespace, text: str) -> None:
    if not args.quiet:
        print(text, file=sys.stderr, flush=True)


def _show_notes() -> None:
    """Show hierlm's warnings as notes, every time; others as Python does."""
    python_shows = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if issubclass(category, HierlmWarning):
            print(_wrapped(f"note: {message}"), file=sys.stderr, flush=True)
        else:
            python_shows(message, category, *place, **more)

    warnings.simplefilter("always", HierlmWarning)
    warnings.showwarning = show
