"""Figures that notebooks show and files hold, without the state of pyplot."""

import base64
import io
from pathlib import Path

from matplotlib.figure import Figure


class NotebookFigure(Figure):
    """A figure that a notebook shows as the last value of a cell, without pyplot."""

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.savefig(file, format="png")
        return file.getvalue()


class Figures(tuple):
    """Several figures that a notebook shows one below the other.

    >>> len(Figures((NotebookFigure(), NotebookFigure())))
    2
    """

    def _repr_html_(self) -> str:
        pictures = (base64.b64encode(figure._repr_png_()).decode() for figure in self)
        return "".join(f'<img src="data:image/png;base64,{data}"><br>' for data in pictures)


def save_figure(figure: Figure, path: str | Path) -> Path:
    """Write a figure as png, pdf or svg, by the suffix of its path; missing folders are created.

    Args:
        figure: the result of a function of `keras_seg.show`.
        path: where to write.

    Returns:
        The path.

    >>> import tempfile
    >>> save_figure(NotebookFigure(figsize=(1, 1)), Path(tempfile.mkdtemp()) / "new" / "a.png").name
    'a.png'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=figure.dpi)
    return path
