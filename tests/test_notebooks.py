"""Every notebook is short, defines nothing, and runs; `NOTEBOOK_QUICK` gives it less to do."""

import ast
import importlib.util
import io
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

NOTEBOOKS = sorted(Path(__file__).parents[1].glob("notebooks/*.ipynb"))
MOST_CELLS, MOST_LINES, MOST_BYTES = 40, 20, 800_000
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def store():
    """The script that runs and stores the notebooks."""
    spec = importlib.util.spec_from_file_location("store", NOTEBOOKS[0].parent / "store.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@every_notebook
def test_notebook_is_short_and_defines_nothing(path):
    cells = nbformat.read(path, as_version=4).cells
    assert len(cells) <= MOST_CELLS
    assert path.stat().st_size < MOST_BYTES
    for cell in cells:
        if cell.cell_type == "code":
            assert len(cell.source.splitlines()) <= MOST_LINES, cell.source
            found = [node for node in ast.walk(ast.parse(cell.source)) if type(node) in DEFINITIONS]
            assert not found, f"the library should have this: {cell.source}"


def test_stored_pictures_keep_the_colors_of_their_legend(store):
    # Noise, and two reds that would be one of 256 colors among so many others.
    pixels = np.random.default_rng(0).integers(0, 256, (200, 1300, 3), dtype=np.uint8)
    pixels[:40, :300], pixels[:40, 300:600] = (225, 30, 40), (220, 20, 60)
    png = io.BytesIO()
    Image.fromarray(pixels).save(png, "PNG")
    with Image.open(io.BytesIO(store.small(png.getvalue()))) as stored:
        # 1300 x 200 becomes 1024 x 158.
        assert stored.size == (1024, 158)
        found = np.asarray(stored.convert("RGB"))
    assert (found[5:25, 10:220] == (225, 30, 40)).all()
    assert (found[5:25, 250:460] == (220, 20, 60)).all()
    assert len(np.unique(found.reshape(-1, 3), axis=0)) <= 256


@every_notebook
def test_stored_outputs_hold_no_error_and_no_path_of_a_machine(path):
    for cell in nbformat.read(path, as_version=4).cells:
        for output in cell.get("outputs", []):
            assert output.output_type != "error"
            assert output.get("name") != "stderr", "store no warnings and no progress bars"
            text = f"{output.get('text', '')}{output.get('data', {}).get('text/plain', '')}"
            assert not re.search(r"/(home|root|tmp|work|Users)/", text), text


@pytest.mark.long
def test_figures_with_sliders_are_outputs(store, tmp_path):
    # An output widget of nbclient would keep it, and now and then block the run.
    source = "from ipywidgets import interact\ninteract(lambda x: 2 * x, x=(0, 10));"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    store.store("sliders", store.execute(notebook, tmp_path, timeout=60), tmp_path)
    (cell,) = nbformat.read(tmp_path / "sliders.ipynb", as_version=4).cells
    assert [output.data["text/plain"] for output in cell.outputs] == ["10"]  # of 5


@pytest.mark.long
@every_notebook
def test_notebook_runs(path, store, tmp_path, monkeypatch):
    monkeypatch.setenv("NOTEBOOK_QUICK", "1")
    monkeypatch.setenv("NOTEBOOK_FOLDER", str(tmp_path))
    notebook = store.execute(nbformat.read(path, as_version=4), path.parent, timeout=300)
    assert any(tmp_path.iterdir()), "the notebook keeps its runs in NOTEBOOK_FOLDER"
    nbformat.write(notebook, tmp_path / path.name)
