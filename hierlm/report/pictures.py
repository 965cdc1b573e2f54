"""Pictures in a page: drawn by matplotlib, kept as PNG within the file, with words for each."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hierlm.errors import HierlmError, HierlmWarning, warn
from hierlm.report.markup import Html, element, paragraph

if TYPE_CHECKING:
    from arviz_plots import PlotCollection

_DPI = 180  # 6.4 inches are 1150 pixels: sharp on a wall and on paper


@contextmanager
def drawing() -> Iterator[None]:
    """Draw in matplotlib's own style, and leave no figure, window or setting behind.

    The user's style may be one for dark screens; the page gives every picture a light ground.
    """
    import matplotlib.pyplot as plt

    before = set(plt.get_fignums())
    with plt.style.context("default"), plt.ioff():
        try:
            yield
        finally:
            for number in set(plt.get_fignums()) - before:
                plt.close(number)


def picture(
    draw: Callable[[], PlotCollection], alt: str, *caption: object, dpi: int = _DPI
) -> Html:
    """Return a figure; one that this model has not is nothing.

    Parameters
    ----------
    draw : callable
        Returns what a function of `hierlm.plots` returns.
    alt : str
        What is seen, for those who do not see it.
    *caption : object
        How to read it.
    dpi : int
        Pixels per inch; fewer for one that is large and says little in its details.
    """
    try:
        with drawing():
            png = _png(draw, dpi)
    except HierlmError:  # a plot says so of a model for which it does not exist
        return Html()
    except Exception as error:
        # a report without one picture is worth more than none; both say what is missing
        problem = f"could not be drawn: {type(error).__name__}: {error}"
        warn(f"a picture of the report {problem}", HierlmWarning)
        return paragraph(f"This picture ({alt}) {problem}", class_="missing")
    source = Html(f"data:image/png;base64,{base64.b64encode(png).decode()}")
    image = element("img", src=source, alt=alt, **_size(png))
    # on a phone the card scrolls, and what scrolls has to be reached with the keyboard too
    card = element("div", image, class_="picture", tabindex="0")
    return element("figure", card, element("figcaption", *caption))


def _png(draw: Callable[[], PlotCollection], dpi: int) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = draw().viz["figure"].item()
    figure.set(dpi=dpi, facecolor="white")
    buffer = io.BytesIO()
    # savefig draws twice; without the name of the writer the same picture is the same bytes
    canvas: Any = FigureCanvasAgg(figure)
    canvas.print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def _size(png: bytes) -> dict[str, str]:
    """Return the pixels, which are in the header: the page does not jump while it loads."""
    width, height = (int.from_bytes(png[k : k + 4], "big") for k in (16, 20))
    return {"width": str(width), "height": str(height)}
