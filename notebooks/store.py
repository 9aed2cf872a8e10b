"""Run notebooks in full, and store them with their outputs, small.

    python notebooks/store.py [quickstart ...]

Each runs in an empty folder, so that nothing trained before is found. Warnings and progress bars
are left out; pictures have at most 1024 pixels a row and keep 256 colors, the flat ones of legends
and lines exactly.
"""

import argparse
import base64
import io
import tempfile
from pathlib import Path

import nbclient
import nbformat
import numpy as np
from PIL import Image

HERE = Path(__file__).parent
NAMES = sorted(path.stem for path in HERE.glob("*.ipynb"))
WIDEST = 1024
FLAT_COLORS = 64  # of a picture's 256, for those that fill squares of 4x4 pixels


def run(name):
    """The notebook, with the outputs of a run in a folder of its own."""
    notebook = nbformat.read(HERE / f"{name}.ipynb", as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        beside = Path(folder, "notebooks")
        beside.mkdir()
        execute(notebook, beside)
    return notebook


def execute(notebook, folder, timeout=None):
    """Run all cells; of figures with sliders, the outputs have the first position.

    nbclient's own output widget is left out: it sends on the socket on which nbclient waits for
    the end of a cell, whose reply then may be missed (jupyter/nbclient issue 312). Without it,
    what such a widget would show is an output of its cell.

    Args:
        notebook: the notebook, whose outputs are replaced.
        folder: folder in which it runs.
        timeout: seconds for each cell; no limit if None.

    Returns:
        The same notebook.
    """
    resources = {"metadata": {"path": folder}}
    client = nbclient.NotebookClient(notebook, timeout=timeout, resources=resources)
    client.widget_registry.clear()
    return client.execute()


def store(name, notebook, folder=HERE):
    """Write the notebook with what a reader wants to see of its outputs."""
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02}"
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = list(_merged(output for output in cell.outputs if _wanted(output)))
            for data in (output.get("data", {}) for output in cell.outputs):
                data.pop("image/jpeg", None)
                if "image/png" in data:
                    picture = small(base64.b64decode(data["image/png"]))
                    data["image/png"] = base64.b64encode(picture).decode()
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    nbformat.write(notebook, folder / f"{name}.ipynb")


def _wanted(output):
    widget = "application/vnd.jupyter.widget-view+json" in output.get("data", {})
    return output.get("name") != "stderr" and not widget


def _merged(outputs):
    """What was printed piece by piece, as one piece."""
    last = None
    for output in outputs:
        if last and last.output_type == output.output_type == "stream":
            last.text += output.text
        else:
            yield output
            last = output


def small(png):
    """A PNG file's bytes with fewer pixels and colors, if that makes it smaller."""
    with Image.open(io.BytesIO(png)) as opened:
        picture = opened.convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    picture = Image.alpha_composite(white, picture).convert("RGB")
    if picture.width > WIDEST:
        picture = picture.resize((WIDEST, round(picture.height * WIDEST / picture.width)))
    pixels = np.asarray(picture)
    flat = _flat_colors(pixels)
    # Of the other colors an octree keeps rare ones, too, where a median cut would mix them.
    others = picture.quantize(256 - len(flat), Image.Quantize.FASTOCTREE)
    colors = [*flat.ravel().tolist(), *others.getpalette()[: 3 * (256 - len(flat))]]
    palette = Image.new("P", (1, 1))
    palette.putpalette(colors)
    indices = np.array(picture.quantize(palette=palette, dither=Image.Dither.NONE))
    for index, color in enumerate(flat):  # Pillow takes one that is near, not the nearest.
        indices[(pixels == color).all(axis=-1)] = index
    kept = Image.fromarray(indices, "P")
    kept.putpalette(colors)
    found = io.BytesIO()
    kept.save(found, "PNG", optimize=True)
    return min(found.getvalue(), png, key=len)


def _flat_colors(pixels):
    """The most frequent colors of squares of 4x4 pixels that have one color, (n, 3)."""
    packed = pixels.astype(np.int32) @ [1 << 16, 1 << 8, 1]
    squares = np.lib.stride_tricks.sliding_window_view(packed, (4, 4))
    same = (squares == squares[:, :, :1, :1]).all(axis=(2, 3))
    colors, counts = np.unique(squares[same][:, 0, 0], return_counts=True)
    colors = colors[np.argsort(-counts)][:FLAT_COLORS]
    return np.stack([colors >> 16, colors >> 8 & 255, colors & 255], axis=1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(NAMES))
    for chosen in parser.parse_args().names or NAMES:
        store(chosen, run(chosen))
        print(f"{chosen}: {(HERE / f'{chosen}.ipynb').stat().st_size // 1000} kB", flush=True)
