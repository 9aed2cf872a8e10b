"""The repository itself: every test is collected, every module tested, every page true."""

import ast
import functools
import re
import shlex
import tomllib
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement
from PIL import Image

import keras_seg
from keras_seg.cli import table
from keras_seg.cli.main import parser

ROOT = Path(__file__).parents[1]
PACKAGES = ("keras_seg", "pipelines")
TESTS = sorted(ROOT.glob("tests/**/*.py"))
PAGES = sorted(page for part in ("", "docs", "saved_models") for page in (ROOT / part).glob("*.md"))


def is_helper(path):
    return path.name == "conftest.py" or path.name.startswith("_")


def public_modules():
    paths = [path for package in PACKAGES for path in sorted(ROOT.glob(f"{package}/**/*.py"))]
    public = [path for path in paths if not path.name.startswith("_")]
    return [path.relative_to(ROOT).with_suffix("") for path in public]


def python_of(page):
    return re.findall(r"^```python\n(.*?)^```$", (ROOT / page).read_text(), re.M | re.S)


def draw_camvid(folder):
    """CamVid's layout with pictures of 64x96: sky (0) above road (3), the lowest rows void (11)."""
    random = np.random.default_rng(0)
    mask = np.repeat([0] * 30 + [3] * 30 + [11] * 4, 96).reshape(64, 96).astype("uint8")
    for split, count in {"train": 4, "val": 2}.items():
        for part in (split, f"{split}annot"):
            (folder / part).mkdir(parents=True)
        for index in range(count):
            image = random.integers(0, 255, (64, 96, 3)).astype("uint8")
            Image.fromarray(image).save(folder / split / f"{index}.png")
            Image.fromarray(mask).save(folder / f"{split}annot" / f"{index}.png")


@pytest.mark.parametrize("path", TESTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_of_tests_is_collected(path):
    if is_helper(path) or "reference" in path.parts:
        return  # tests/reference: scripts that wrote the files that tests read
    if "benchmarks" in path.parts:
        assert path.name.startswith(("bench_", "test_")), "pytest or a person must find it by name"
        return
    assert path.name.startswith("test_"), "pytest collects test_*.py only"
    functions = [node for node in ast.walk(ast.parse(path.read_text())) if hasattr(node, "name")]
    assert any(node.name.startswith("test_") for node in functions), "no test in it"


@pytest.mark.parametrize("module", public_modules(), ids=str)
def test_every_module_has_tests_where_they_are_looked_for(module):
    # keras_seg/run.py: tests/test_run.py; pipelines/ops/color.py: in tests/ops.
    if len(module.parts) == 2:
        own = ROOT / "tests" / f"test_{module.name}.py" in TESTS
        assert own or ">>> " in (ROOT / module).with_suffix(".py").read_text()
    else:
        assert any(path.parent == ROOT / "tests" / module.parts[1] for path in TESTS)


def test_the_map_of_the_code_names_every_folder():
    page = (ROOT / "CONTRIBUTING.md").read_text()
    table = page[page.index("## Where things are") : page.index("## Style")]
    for package in PACKAGES:
        for path in (ROOT / package).iterdir():
            if path.is_dir() and list(path.glob("*.py")):
                assert f"{path.name}/`" in table, f"{package}/{path.name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_between_pages_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if not target.startswith("https://"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_pages_name_only_targets_that_make_has():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    for page in PAGES:
        named = set(re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(), re.M))
        assert named <= targets, page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_on_the_pages_is_understood(page):
    # A command in the text may go on in the next line; one in a block of code ends with its line.
    text, blocks = page.read_text(), r"^```.*?^```"
    inline = re.findall(
        r"`python -m keras_seg ([^`]+)`", re.sub(blocks, "", text, flags=re.M | re.S)
    )
    code = "".join(re.findall(blocks, text, re.M | re.S))
    for command in [*inline, *re.findall(r"python -m keras_seg ([^`\n]+)", code)]:
        if command != "--help":
            parser().parse_args(shlex.split(command))


@pytest.mark.long
def test_ten_lines_of_the_readme_run(tmp_path, monkeypatch):
    (code,) = [block for block in python_of("README.md") if "pipelines.load(" in block]
    draw_camvid(tmp_path / "path/to/CamVid")
    Image.new("RGB", (51, 37)).save(tmp_path / "street.jpg")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(keras_seg, "fit", functools.partial(keras_seg.fit, epochs=1, batch_size=2))
    names = {}
    exec(code, names)
    assert names["labels"].shape == (37, 51)
    made = {path.name for path in (tmp_path / "saved_models/contextnet_cn14-camvid").iterdir()}
    wanted = {"model.keras", "run.json", "scores.csv", "1", "model_int8.tflite", "phone.md"}
    assert wanted <= made


def test_table_of_the_readme_is_not_stale():
    page = (ROOT / "README.md").read_text()
    assert page == table.with_tables(page), "run `make readme`"


def test_ranges_of_the_package_hold_the_pinned_versions():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    versions = {pin.name: next(iter(pin.specifier)).version for pin in pins}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for line in [*project["dependencies"], *project["optional-dependencies"]["cpu"]]:
        wanted = Requirement(line)
        assert wanted.specifier.contains(versions[wanted.name]), line


def test_version_is_the_same_in_code_and_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == keras_seg.__version__


def test_a_name_that_keras_seg_does_not_have_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"no attribute 'fitt'. Available: .*'fit'"):
        keras_seg.fitt  # noqa: B018
