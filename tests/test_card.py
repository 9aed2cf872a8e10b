import json

import pytest

from keras_seg.card import write_card
from keras_seg.run import Run


@pytest.fixture
def run(tmp_path):
    recipe = {"name": "small_data", "epochs": 4, "batch_size": 8, "patience": None}
    setup = {
        "data": "camvid", "num_classes": 2, "num_channels": 3, "train_pictures": 367, "seed": 5,
        "recipe": recipe,
    }  # fmt: skip
    settings = {
        "architecture": "contextnet_cn14", "setup": setup, "seconds": 1800, "epochs_done": 4,
        "best": {"epoch": 3, "val_mean_iou": 0.5}, "backend": "tensorflow",
        "machine": "Linux x86_64", "versions": {"keras": "3.15.1"},
    }  # fmt: skip
    folder = tmp_path / "contextnet_cn14-camvid"
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps(settings))
    return Run(folder)


def test_card_tells_scores_seed_hours_and_terms(run):
    (run.folder / "scores.csv").write_text("class,iou,precision,recall\nroad,0.75,0.8,0.9\n")
    card = write_card(run, notes="## Limits\n\nDaylight only.").read_text()
    assert "| road | 75.0 | 80.0 | 90.0 |" in card
    assert "seed 5" in card
    assert "0.50 hours" in card
    assert "epoch 3 of 4" in card
    assert "non-commercial research" in card
    assert card.endswith("Daylight only.\n")


def test_card_has_the_columns_that_were_scored(run):
    table = "class,iou,dice,precision,recall,pixels\nroad,0.6,0.75,0.8,0.7,9\n"
    (run.folder / "scores.csv").write_text(table)
    card = write_card(run).read_text()
    assert "| class | iou | dice | precision | recall |" in card
    assert "| road | 60.0 | 75.0 | 80.0 | 70.0 |" in card


def test_card_without_scores_says_what_to_do(run):
    with pytest.raises(ValueError, match=r"without scores.csv.*Call `run.evaluate"):
        write_card(run)


def test_card_has_the_scores_of_each_split_that_was_measured(run):
    (run.folder / "scores.csv").write_text("class,iou\nroad,0.75\n")
    (run.folder / "scores_test.csv").write_text("class,iou\nroad,0.5\n")
    card = write_card(run).read_text()
    assert "## Scores on the validation pictures, percent" in card
    assert "| road | 50.0 |" in card[card.index("## Scores on the test pictures, percent") :]


def test_card_says_how_the_run_is_loaded(run):
    (run.folder / "scores.csv").write_text("class,iou\nroad,0.75\n")
    assert f'`keras_seg.load("{run.folder.as_posix()}")`' in write_card(run).read_text()
    shipped = run.folder.parent / "saved_models"
    shipped.mkdir()
    moved = Run(run.folder.rename(shipped / run.folder.name))
    assert '`keras_seg.load("contextnet_cn14-camvid")`' in write_card(moved).read_text()


def test_card_names_the_encoder(run):
    run.settings["setup"]["recipe"]["options"] = {"encoder": "resnet50"}
    (run.folder / "scores.csv").write_text("class,iou\nroad,0.75\n")
    assert "`contextnet_cn14` with encoder `resnet50` for 2 classes" in write_card(run).read_text()


def test_card_names_the_weights_that_the_training_started_from(run):
    (run.folder / "scores.csv").write_text("class,iou\nroad,0.75\n")
    assert "367 training pictures, nothing else; seed 5" in write_card(run).read_text()
    run.settings["setup"]["weights"] = {"file": "streets/model.keras", "digest": "782db333"}
    card = write_card(run).read_text()
    assert "367 training pictures, starting weights `streets/model.keras`; seed 5" in card


def test_card_of_a_run_without_validation_pictures_has_no_score(run):
    run.settings["best"] = {}
    card = write_card(run).read_text()
    assert "weights of the last epoch, 4, without validation pictures." in card
    assert "Scores" not in card


@pytest.mark.parametrize("data", ["camvid", "camvid-fold2", "camvid-train-val"])
def test_card_has_the_terms_for_parts_of_a_data_set(run, data):
    (run.folder / "scores.csv").write_text("class,iou\nroad,0.75\n")
    run.settings["setup"]["data"] = data
    assert "Data and terms: CamVid (Brostow, Fauqueur, Cipolla 2009;" in write_card(run).read_text()


def test_card_has_no_terms_for_a_data_set_of_another_name(run):
    (run.folder / "scores.csv").write_text("class,iou\nroad,0.75\n")
    run.settings["setup"]["data"] = "camvideo"
    assert "Data and terms: Data set 'camvideo': see its owners." in write_card(run).read_text()
