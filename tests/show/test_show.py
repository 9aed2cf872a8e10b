import cv2
import numpy as np
import pandas as pd
import pytest

from keras_seg.show import legend, overlay, save_figure, show_curves, show_labels, show_predictions

PALETTE = [(200, 0, 0), (0, 200, 0)]
BLACK = np.zeros((4, 6, 3), np.uint8)


def texts(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


@pytest.fixture
def history():
    return pd.DataFrame(
        {
            "epoch": [1, 2, 3],
            "loss": [2.0, 1.0, 0.5],
            "learning_rate": [0.1, 0.05, 0.01],
            "seconds": [3.0, 3.0, 3.0],
            "val_mean_iou": [0.2, 0.6, 0.4],
            "val_pixel_accuracy": [0.5, 0.8, 0.7],
            "iou/road": [0.3, 0.9, 0.5],
            "iou/sky": [0.1, 0.3, np.nan],
        }
    )


def test_overlay_mixes_picture_and_color():
    image = np.full((1, 2, 3), 100, np.uint8)
    # 0.75 * 100 + 0.25 * (200, 0, 0) = (125, 75, 75)
    mixed = overlay(image, np.array([[0, 1]]), PALETTE, alpha=0.25)
    assert mixed.dtype == np.uint8
    assert mixed[0].tolist() == [[125, 75, 75], [75, 125, 75]]


@pytest.mark.parametrize("ignored", [255, 2, -1])
def test_ignored_pixels_are_darker_and_have_no_hue(ignored):
    image = np.full((40, 40, 3), 100, np.uint8)
    label = np.full((40, 40), ignored, np.int32)
    shown = overlay(image, label, PALETTE)
    assert (shown == shown[..., :1]).all()
    assert set(np.unique(shown)) == {30, 60}  # 30 % of the picture, 60 % on the hatching.


def test_overlay_takes_gray_pictures_and_chooses_colors():
    label = np.array([[0, 1, 2, 255]], np.uint8)
    for image in (np.zeros((1, 4), np.uint8), np.zeros((1, 4, 1), np.uint8)):
        colors = {tuple(pixel) for pixel in overlay(image, label)[0].tolist()}
        assert len(colors) == 4


def test_a_picture_of_many_channels_is_shown_by_its_first():
    image = np.zeros((2, 2, 7), np.uint8)
    image[..., 0] = 90
    assert (overlay(image, np.zeros((2, 2), int), PALETTE, alpha=0) == 90).all()


def test_errors_panel_marks_wrong_pixels_only():
    image = np.full((8, 8, 3), 100, np.uint8)
    truth = np.zeros((8, 8), np.uint8)
    truth[0] = 255
    found = np.zeros((8, 8), np.uint8)
    found[:2] = 1  # The first row is ignored, the second is wrong.
    figure = show_predictions([image], [truth], [found], ["road", "sky"], PALETTE)
    errors = figure.axes[-1].images[0].get_array()
    marked = (errors == (255, 0, 255)).all(axis=-1)  # PALETTE has a red class.
    assert marked[1].all()
    assert marked.sum() == 8
    # 8 of 56 known pixels; road 48 / 56, sky 0 / 8: mean 0.43.
    assert figure.texts[0].get_text() == "14.3% wrong, mean IoU 0.43"


@pytest.mark.parametrize(
    ("palette", "color"),
    [
        # Cityscapes' person and sidewalk take red and magenta; orange is left.
        ([(220, 20, 60), (244, 35, 232)], (255, 130, 0)),
        # Its traffic light takes orange, too.
        ([(220, 20, 60), (244, 35, 232), (250, 170, 30)], (0, 225, 255)),
        # All four are taken exactly, but for the third by a whisker.
        ([(225, 30, 40), (255, 0, 255), (250, 125, 5), (0, 225, 255)], (255, 130, 0)),
    ],
)
def test_errors_have_a_color_that_no_class_is_near(palette, color):
    image, truth = np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8)
    found = np.ones((8, 8), np.uint8)
    names = [f"class {i}" for i in range(len(palette))]
    figure = show_predictions([image], [truth], [found], names, palette)
    assert (figure.axes[-1].images[0].get_array() == color).all()
    patch = figure.legends[0].get_patches()[-1]
    assert np.rint(255 * np.array(patch.get_facecolor()[:3])).tolist() == list(color)


def test_one_legend_names_all_of_few_classes():
    image, label = np.zeros((32, 48, 3), np.uint8), np.zeros((32, 48), np.uint8)
    figure = show_predictions([image] * 2, [label] * 2, [label] * 2, ["road", "sky"], PALETTE)
    assert len(figure.legends) == 1
    assert texts(figure) == ["road", "sky", "wrong"]


def test_legend_of_many_classes_names_those_that_occur():
    image = np.zeros((32, 48, 3), np.uint8)
    label = np.full((32, 48), 3, np.uint8)
    label[0], label[1] = 17, 255
    names = [f"class {index}" for index in range(30)]
    figure = show_predictions([image], None, [label], names)
    assert texts(figure) == ["class 3", "class 17", "not labeled"]


@pytest.mark.parametrize("num_classes", [1, 11, 20, 60])
def test_legend_is_inside_the_figure_and_touches_no_picture(num_classes):
    names = [f"a rather long name of a class {index}" for index in range(num_classes)]
    rng = np.random.default_rng(0)
    images = [np.zeros((40, 60, 3), np.uint8), np.zeros((50, 30, 3), np.uint8)]
    labels = [rng.integers(0, num_classes, image.shape[:2]) for image in images]
    figure = show_predictions(images, None, labels, names)
    figure.draw_without_rendering()
    box = figure.legends[0].get_window_extent()
    whole = figure.bbox
    assert box.x0 >= whole.x0 - 1
    assert box.x1 <= whole.x1 + 1
    assert box.y0 >= whole.y0 - 1
    assert all(axes.get_window_extent().y0 >= box.y1 - 1 for axes in figure.axes)


def test_pictures_without_any_label_are_shown():
    image, label = np.zeros((32, 48, 3), np.uint8), np.full((32, 48), 255, np.uint8)
    figure = show_predictions([image], [label], [np.zeros((32, 48), np.uint8)], ["road"])
    assert figure.texts[0].get_text() == "no pixel is labeled"


def test_curves_mark_the_best_epoch(history):
    figure = show_curves(history)
    assert "best mean IoU 0.6000 in epoch 2" in figure.get_suptitle()
    for axes in figure.axes[:3]:
        assert axes.get_xlabel() == "epoch"
        assert [2, 2] in [list(line.get_xdata()) for line in axes.lines]


def test_bars_show_the_best_epoch_by_class(history):
    bars = show_curves(history).axes[4]
    assert bars.get_xlabel() == "IoU in epoch 2"
    assert [bar.get_width() for bar in bars.patches] == [0.9, 0.3]


@pytest.mark.parametrize("columns", [["loss"], ["epoch", "loss", "learning_rate"]])
def test_curves_draw_what_there_is(history, columns, tmp_path):
    figure = show_curves(history[columns])
    assert len(figure.axes) == len([name for name in columns if name != "epoch"])
    save_figure(figure, tmp_path / "curves.png")


def test_curves_of_one_epoch_and_of_rare_validation_are_drawn(history, tmp_path):
    history.loc[0, ["val_mean_iou", "iou/road", "iou/sky"]] = np.nan
    for part in (history[:1], history[1:2], history):
        save_figure(show_curves(part), tmp_path / "curves.png")


def test_saved_figure_is_a_picture_of_the_figures_size(tmp_path):
    figure = legend(["road", "sky"], PALETTE)
    path = save_figure(figure, tmp_path / "new" / "legend.png")
    width, height = figure.get_size_inches() * figure.dpi
    pixels = cv2.imread(str(path))
    assert pixels.shape[:2] == (int(height), int(width))
    assert (pixels == (0, 0, 200)).all(axis=-1).any()  # The first color, blue first.


def test_a_notebook_shows_the_figure():
    formatters = pytest.importorskip("IPython.core.formatters")
    data, _ = formatters.DisplayFormatter().format(legend(["road"]))
    assert data["image/png"].startswith(b"\x89PNG")


def test_real_pictures_can_be_shown(camvid, tmp_path):
    name = sorted(path.name for path in (camvid / "val").glob("*.png"))[0]
    label = cv2.imread(str(camvid / "valannot" / name), cv2.IMREAD_GRAYSCALE)
    names = [f"class {index}" for index in range(11)]
    figure = show_predictions([camvid / "val" / name], [label], [label], names)
    assert figure.texts[0].get_text() == "0.0% wrong, mean IoU 1.00"
    assert save_figure(figure, tmp_path / "real.png").stat().st_size > 100_000


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: overlay(BLACK, BLACK[:, :5, 0], PALETTE), "one class id per pixel"),
        (lambda: overlay(BLACK, BLACK[..., 0], PALETTE, alpha=50), "alpha=50"),
        (lambda: legend(["road", "sky", "tree"], PALETTE), "2 colors for 3 classes"),
        (
            lambda: show_predictions([BLACK] * 2, [BLACK[..., 0]], [BLACK[..., 0]] * 2, ["road"]),
            "2 images, 1 labels_true, 2 labels_predicted",
        ),
        (lambda: show_predictions([], None, [], ["road"]), "of 1 or more"),
        (lambda: show_curves(pd.DataFrame({"epoch": [1, 2]})), "a column 'loss'"),
        (lambda: show_curves(pd.DataFrame({"epoch": [], "loss": []})), "0 epochs"),
    ],
)
def test_wrong_arguments_are_refused(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()


def test_label_maps_stand_beside_the_picture_with_the_colors_of_their_classes():
    image = np.full((8, 12, 3), 90, np.uint8)
    maps = {"a": np.zeros((8, 12), np.uint8), "b": np.ones((8, 12), np.uint8)}
    figure = show_labels(image, maps, ["road", "sky"], [(10, 20, 30), (200, 0, 0)])
    assert [axes.get_title() for axes in figure.axes] == ["picture", "a", "b"]
    drawn = [axes.images[0].get_array() for axes in figure.axes]
    assert (drawn[0] == 90).all()
    assert (drawn[1] == (10, 20, 30)).all()
    assert (drawn[2] == (200, 0, 0)).all()
    with pytest.raises(ValueError, match=r"label map must have one class id per pixel"):
        show_labels(image, {"a": np.zeros((8, 11), np.uint8)}, ["road"])
