"""The command line, as a person types it."""

import json
import re
import shlex
import shutil

import keras
import numpy as np
import pytest
from PIL import Image

import keras_seg
import pipelines
from keras_seg import benchmarking, models, recipes
from keras_seg.cli import table
from keras_seg.cli.arguments import ENGINES, HELP, parser
from keras_seg.cli.dataset import open_dataset
from keras_seg.cli.main import COMMANDS, main
from keras_seg.inference import choice


@pytest.fixture(scope="module")
def plots(tmp_path_factory):
    """Ten pictures of 64x64 whose right half is brighter, and their masks."""
    folder = tmp_path_factory.mktemp("plots")
    random = np.random.default_rng(0)
    for part in ("images", "masks"):
        (folder / part).mkdir()
    mask = np.repeat([[0] * 32 + [1] * 32], 64, axis=0).astype("uint8")
    for index in range(10):
        image = (random.integers(0, 60, (64, 64, 3)) + 150 * mask[..., None]).astype("uint8")
        Image.fromarray(image).save(folder / "images" / f"{index}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{index}.png")
    return folder


def test_choices_are_those_of_the_library():
    # Written again in `arguments`, which does not import Keras.
    options = parser().parse_args(["benchmark", "contextnet"])
    assert tuple(options.sizes) == benchmarking.SIZES
    assert ENGINES == choice.ENGINES


def test_every_command_has_its_words():
    assert list(COMMANDS) == list(HELP)


def data_words(folder):
    images, masks = str(folder / "images"), str(folder / "masks")
    return ["--images", images, "--labels", masks, "--classes", "soil,crop"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_shows_an_example(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    assert f"example:\n  python -m keras_seg {command}" in capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS)
def test_the_example_of_every_command_can_be_parsed(command, capsys):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    example = capsys.readouterr().out.split("python -m keras_seg ")[-1]
    assert parser().parse_args(example.split())


def test_models_lists_every_architecture(capsys):
    assert main(["models"]) == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert listed == models.names()


def test_table_goes_between_the_marks_of_a_page(tmp_path):
    page = tmp_path / "page.md"
    marks = [table.marks(task) for task in table.TASKS]
    parts = [f"{begin}\nold\n{end}\n" for begin, end in marks]
    page.write_text("".join(["above\n", *parts, "below\n"]))
    assert main(["models", "--into", str(page)]) == 0
    lines = page.read_text().splitlines()
    assert (lines[0], lines[-1]) == ("above", "below")
    assert "old" not in lines
    assert sum("`contextnet_cn14`" in line for line in lines) == 1


def test_page_without_marks_is_left_alone(tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text("no marks")
    assert main(["models", "--into", str(page)]) == 2
    assert "needs two lines to put the table between" in capsys.readouterr().err
    assert page.read_text() == "no marks"


def test_check_reports_on_folders(plots, capsys):
    assert main(["check", *data_words(plots)]) == 0
    assert "soil" in capsys.readouterr().out


def test_check_ends_with_status_1_where_files_cannot_be_used(plots, tmp_path, capsys):
    folder = shutil.copytree(plots, tmp_path / "plots")
    (folder / "images" / "3.png").write_bytes(b"no picture")
    assert main(["check", *data_words(folder)]) == 1
    assert "3.png" in capsys.readouterr().out


def test_version_is_printed(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"keras_seg {keras_seg.__version__}\n"


def test_splits_groups_ranges_and_channels_reach_the_data_set(plots):
    words = ["--splits", "0.5,0.3,0.2", "--group", "(.)", "--value-range", "0,4095"]
    options = parser().parse_args(["check", *data_words(plots), *words, "--channels", "1"])
    data = open_dataset(options)
    assert [data.num_examples(split) for split in data.splits] == [5, 3, 2]
    assert data.num_channels == 1
    # 255 of 4095 is 15.9 of 255, and the brightest pixel has about 210.
    assert data.example("train", 0)[0].max() < 16


def test_bands_reach_the_data_set(plots):
    options = parser().parse_args(["check", *data_words(plots), "--bands", "2,1,0"])
    plain = open_dataset(parser().parse_args(["check", *data_words(plots)]))
    data = open_dataset(options)
    assert data.input_spec.bands == (2, 1, 0)
    assert np.array_equal(data.example("train", 0)[0], plain.example("train", 0)[0][..., ::-1])


def test_bands_reach_the_pictures_of_class_folders(tmp_path):
    (tmp_path / "a").mkdir()
    for index in range(2):
        np.save(tmp_path / "a" / f"{index}.npy", np.zeros((32, 32, 5), "uint8"))
    words = ["check", "--class-folders", str(tmp_path), "--splits", "1", "--bands", "4,1"]
    assert open_dataset(parser().parse_args(words)).input_spec.bands == (4, 1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--bands", "1,b"], "needs channels such as 3,2,1. Received: '1,b'"),
        (["--splits", "half"], "needs shares with commas between them"),
        (["--value-range", "0,1,2"], "needs two numbers LOW,HIGH"),
    ],
)
def test_numbers_with_commas_are_explained(plots, words, message, capsys):
    with pytest.raises(SystemExit):
        main(["check", *data_words(plots), *words])
    assert message in capsys.readouterr().err


def test_check_writes_repaired_masks_to_a_new_folder(plots, tmp_path, capsys):
    folder = tmp_path / "broken"
    shutil.copytree(plots, folder)
    Image.fromarray(np.zeros((32, 32), "uint8")).save(folder / "masks" / "0.png")  # half its size
    words = ["check", *data_words(folder), "--fix", str(tmp_path / "fixed")]
    assert main(words) == 0
    assert "A repaired dataset" in capsys.readouterr().out
    assert (tmp_path / "fixed" / "repairs.csv").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["check"], "given as `--data NAME --root FOLDER`, `--images FOLDER --labels FOLDER`,"),
        (["check", "--data", "camvid"], "Give root=, on the command line `--root FOLDER`"),
        (["check", "--data", "camvd", "--root", "x"], "Did you mean 'camvid'"),
        (
            ["check", "--data", "camvid", "--root", "no/folder"],
            "does not exist. Received: root='no",
        ),
        (["check", "--data", "camvid", "--images", "x"], "Pass one of the four"),
        (["check", "--images", "x"], "Received: --images x"),
        (["check", "--data", "camvid", "--labels", "x"], "Received: --data camvid --labels x."),
        (["fit", "contextnet_cn14", "--data", "shapes", "--epochs", "0"], "epochs=0"),
        (["predict", "no_such_run", "a.png"], "Unknown run"),
        (["evaluate", "no_such_run"], "Unknown run"),
        (["evaluate", "contextnet_cn14-camvid"], "Received: none of them"),
        (["evaluate", "contextnet_cn14-camvid", "--table", "x.csv"], "x.csv"),
        (["export", "contextnet_cn14-camvid", "int8"], "Received: none of them"),
        (["export", "contextnet_cn14-camvid", "fp32", "--root", "x"], "Received: none of them"),
        (
            ["check", "--images", "x", "--labels", "y", "--root", "z"],
            "`--images` takes --classes --ignore --label-offset --splits --group --value-range "
            "--channels --bands and no `--root`. Received: --root z. Leave it out.",
        ),
        (["check", "--data", "street_scenes", "--classes", "a,b"], "--root and no `--classes`."),
        (["check", "--data", "camvid", "--label-offset", "0"], "Received: --label-offset 0."),
        (
            ["fit", "contextnet_cn14", "--data", "shapes", "--set", "loss=3"],
            "needs a name, a Keras loss, or a list of pairs",
        ),
    ],
)
def test_an_error_is_one_message_without_traceback(words, message, capsys):
    assert main(words) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("keras_seg: ")
    assert message in shown
    assert "Traceback" not in shown


def test_a_table_of_classes_that_does_not_exist_is_no_name_of_a_class(plots, capsys):
    for words in (["--class-folders", str(plots)], data_words(plots)[:4]):
        assert main(["check", *words, "--classes", "clases.csv"]) == 2
        assert "'clases.csv'" in capsys.readouterr().err


def test_classes_may_be_a_number(plots):
    options = parser().parse_args(["check", *data_words(plots)[:4], "--classes", "2"])
    assert open_dataset(options).class_names == ("class 0", "class 1")


def test_size_that_is_none_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["export", "run", "fp32", "--size", "big"])
    assert "or depth x height x width. Received: 'big'" in capsys.readouterr().err


def test_any_field_of_a_recipe_can_be_set():
    words = [
        "fit",
        "contextnet_cn14",
        "--set",
        "patience=3",
        "loss=focal",
        "precision=mixed_float16",
    ]
    fields = parser().parse_args([*words, "--crop-size", "32x48x64"])
    assert fields.set == [("patience", 3), ("loss", "focal"), ("precision", "mixed_float16")]
    assert fields.crop_size == (32, 48, 64)


def test_fields_of_several_sets_add_up():
    words = ["fit", "contextnet_cn14", "--set", "patience=3", "--set", "loss=focal"]
    assert parser().parse_args(words).set == [("patience", 3), ("loss", "focal")]


def test_field_without_a_value_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["fit", "contextnet_cn14", "--set", "patience"])
    assert "needs FIELD=VALUE, such as precision=mixed_bfloat16" in capsys.readouterr().err


def test_check_reports_on_a_table(plots, tmp_path, capsys):
    rows = [f"images/{i}.png,masks/{i}.png" for i in range(10)]
    table = tmp_path / "pairs.csv"
    table.write_text("\n".join(["image,label", *rows]))
    words = ["check", "--table", str(table), "--root", str(plots)]
    assert main([*words, "--classes", "soil,crop"]) == 0
    assert "soil" in capsys.readouterr().out


def test_unknown_architecture_is_named_with_the_nearest_known(plots, capsys):
    assert main(["fit", "contextnet_cn41", *data_words(plots)]) == 2
    assert "Received: name='contextnet_cn41'" in capsys.readouterr().err


def test_the_line_on_use_can_be_pasted_whatever_the_folder(plots, tmp_path, monkeypatch, capsys):
    class Trained:
        folder = tmp_path / "my runs" / "it's"
        data = open_dataset(parser().parse_args(["check", *data_words(plots), "--splits", "1"]))

        def show_curves(self):
            pass

    monkeypatch.setattr(keras_seg, "fit", lambda *args, **options: Trained())
    monkeypatch.setattr("keras_seg.card.write_card", lambda run: None)
    assert main(["fit", "contextnet_cn14", *data_words(plots)]) == 0
    *_, line = capsys.readouterr().out.strip().splitlines()
    _, command = line.split("Use it: ")
    assert shlex.split(command) == [
        *("python", "-m", "keras_seg", "predict"), str(Trained.folder), "picture.jpg"
    ]  # fmt: skip


def test_arguments_of_export_reach_the_files(monkeypatch, capsys):
    calls = []
    monkeypatch.setattr(
        "keras_seg.run.Run.export_tflite", lambda run, mode, **rest: calls.append((mode, rest))
    )
    command = ["export", "contextnet_cn14-camvid", "fp16", "--size", "64x96", "32x48"]
    assert main([*command, "--outputs", "both", "--input-type", "uint8"]) == 0
    assert main(["export", "contextnet_cn14-camvid", "fp32"]) == 0
    rest = {"outputs": "both", "input_type": "uint8", "quantizer": "tensorflow"}
    plain = {"outputs": "scores", "input_type": None}
    assert calls == [
        ("fp16", {"size": (64, 96), **rest}),
        ("fp16", {"size": (32, 48), **rest}),
        ("fp32", {"size": None, "quantizer": "tensorflow", **plain}),
    ]


def test_the_quantizer_is_that_of_int8_files(monkeypatch, tmp_path, plots):
    calls = []
    monkeypatch.setattr(
        "keras_seg.run.Run.export_tflite",
        lambda run, mode, **rest: calls.append((mode, rest.get("quantizer"))),
    )
    monkeypatch.setattr("keras_seg.run.Run._data", lambda run, data, method: data)
    command = ["export", "contextnet_cn14-camvid", "fp16", "int8", *data_words(plots)]
    assert main([*command, "--quantizer", "best"]) == 0
    assert main(["export", "contextnet_cn14-camvid", "fp16", "--quantizer", "best"]) == 0
    # Without int8 the option arrives, too, so that `tflite` says that it has no effect.
    assert calls == [("fp16", None), ("int8", "best"), ("fp16", "best")]


def test_fit_joins_splits(plots, monkeypatch):
    given = []

    def fit(name, data, recipe, **arguments):
        given.append((data.splits, data.num_examples("train"), "join" in arguments))
        raise KeyboardInterrupt

    monkeypatch.setattr("keras_seg.fit", fit)
    words = ["fit", "contextnet_cn14_160", *data_words(plots), "--splits", "0.5,0.5"]
    for more in ([], ["--join", "val"]):
        assert main([*words, *more]) == 130
    assert given == [(("train", "val"), 5, False), (("train",), 10, False)]


@pytest.mark.long
def test_cross_validation_prints_scores_of_each_fold(plots, tmp_path, capsys):
    where = ["--folder", str(tmp_path), "--epochs", "1", "--batch-size", "4"]
    folds = ["--splits", "1", "--fold-group", r"(\d)$", "--num-folds", "2"]
    words = ["cross-validate", "contextnet_cn14_160", *data_words(plots), *folds, *where]
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert "Mean IoU on held-out pictures of 2 folds" in shown
    assert [word in shown for word in ("fold 1", "fold 2", "spread", "soil")] == [True] * 4
    assert len(list(tmp_path.glob("*/run.json"))) == 2


@pytest.mark.slow
def test_fit_evaluate_predict_and_export_work_on_folders(plots, tmp_path, capsys):
    where = ["--folder", str(tmp_path), "--tag", "t", "--epochs", "1", "--batch-size", "4"]
    assert main(["fit", "contextnet_cn14_160", *data_words(plots), *where]) == 0
    (run,) = tmp_path.glob("*/run.json")
    assert json.loads(run.read_text())["class_names"] == ["soil", "crop"]
    folder = str(run.parent)
    assert folder in capsys.readouterr().out

    assert main(["evaluate", folder, "--split", "test", *data_words(plots)]) == 0
    assert "mean IoU" in capsys.readouterr().out

    assert main(["predict", folder, str(plots / "images"), "--out", str(tmp_path / "out")]) == 0
    assert len(list((tmp_path / "out").glob("*_labels.png"))) == 10
    (one, *_) = (plots / "images").iterdir()
    words = ["--flip", "--tile", "32", "--out", str(tmp_path / "tiles")]
    assert main(["predict", folder, str(one), *words]) == 0
    assert len(list((tmp_path / "tiles").glob("*_labels.png"))) == 1

    capsys.readouterr()
    assert main(["export", folder, "saved_model", "fp32", "int8", *data_words(plots)]) == 0
    shown = capsys.readouterr().out
    assert [shown.count(word) for word in ("SavedModel:", "TFLite fp32:", "TFLite int8:")] == [
        1
    ] * 3


@pytest.mark.long
def test_a_run_finds_its_data_set_again(plots, tmp_path, monkeypatch, capsys):
    image = keras.Input((None, None, 3))
    model = keras.Model(image, keras.layers.Conv2D(2, 1)(image), name="plain")
    monkeypatch.chdir(plots)  # The run holds whole paths, for calls from another folder.
    data = pipelines.from_folders("images", "masks", ["soil", "crop"])
    run = keras_seg.fit(model, data, folder=tmp_path, epochs=1, batch_size=4)
    expected = run.evaluate("test").mean_iou
    monkeypatch.chdir(tmp_path)
    assert main(["evaluate", str(run.folder), "--split", "test"]) == 0
    assert f"mean IoU {expected:.2%}" in capsys.readouterr().out


@pytest.mark.slow
def test_class_folders_are_trained_scored_and_predicted(tmp_path, capsys):
    random = np.random.default_rng(0)
    for name, low in (("dark", 0), ("light", 150)):
        (tmp_path / "shades" / name).mkdir(parents=True)
        for index in range(8):
            pixels = random.integers(low, low + 100, (30, 34), "uint8")
            Image.fromarray(pixels).save(tmp_path / "shades" / name / f"{index}.png")
    data = ["--class-folders", str(tmp_path / "shades"), "--picture-size", "28x28"]
    where = ["--folder", str(tmp_path / "runs"), "--epochs", "2", "--batch-size", "4"]
    assert main(["check", *data]) == 0
    assert main(["fit", "lenet5_modern", *data, *where]) == 0
    (run,) = (tmp_path / "runs").iterdir()
    assert "top-1 accuracy" in capsys.readouterr().out
    assert main(["evaluate", str(run)]) == 0
    assert "top-1 accuracy" in capsys.readouterr().out
    assert main(["predict", str(run), str(tmp_path / "shades"), "--out", str(tmp_path)]) == 0
    assert len((tmp_path / "classes.csv").read_text().splitlines()) == 17
    assert main(["predict", str(run), str(tmp_path / "shades"), "--flip"]) == 2
    assert "are for label maps" in capsys.readouterr().err


def test_help_names_every_recipe(capsys):
    with pytest.raises(SystemExit):
        main(["fit", "--help"])
    assert set(recipes.RECIPES) <= set(re.findall(r"\w+", capsys.readouterr().out))
