"""Which mask belongs to which picture, as public data sets name them."""

import pytest
from PIL import Image

from pipelines.pairs import match_folders, match_what_fits


@pytest.mark.parametrize(
    ("image", "label"),
    [
        ("21_training.tif", "21_manual1.gif"),  # DRIVE
        ("ISIC_0000000.jpg", "ISIC_0000000_Segmentation.png"),
        ("fff9b3a5373f_01.jpg", "fff9b3a5373f_01_mask.gif"),  # Carvana
        ("Image_01L.jpg", "Image_01L_1stHO.png"),  # CHASE DB1
        ("train_1.bmp", "train_1_anno.bmp"),  # GlaS
        ("855_sat.jpg", "855_mask.png"),  # DeepGlobe
        ("top_potsdam_2_10_RGB.tif", "top_potsdam_2_10_label.tif"),
        ("img_0001.png", "mask_0001.png"),
        ("image7.jpg", "label7.png"),
        ("0001TP_006690.png", "0001TP_006690_P.png"),
        ("a.npy", "a.npy"),
    ],
)
def test_public_data_sets_are_matched(tmp_path, image, label):
    for part, name in (("images", image), ("masks", label)):
        (tmp_path / part).mkdir()
        (tmp_path / part / name).touch()
    assert match_folders(tmp_path / "images", tmp_path / "masks") == [
        (str(tmp_path / "images" / image), str(tmp_path / "masks" / label))
    ]


def test_what_has_no_partner_is_returned_on_request(tmp_path):
    for name in ("a.jpg", "a.png", "b.jpg"):
        Image.new("L", (2, 2)).save(tmp_path / name)
    Image.new("L", (2, 2)).save(tmp_path / "c_mask.png")
    pairs, lonely = match_what_fits(tmp_path, tmp_path)
    assert [image for image, _ in pairs] == [str(tmp_path / "a.jpg")]
    assert lonely == [
        ("picture", str(tmp_path / "b.jpg")), ("mask", str(tmp_path / "c_mask.png"))
    ]  # fmt: skip
    with pytest.raises(
        ValueError, match=r"Every picture needs a mask.*b\.jpg.*on_unmatched='skip'"
    ):
        match_folders(tmp_path, tmp_path)


def test_two_pictures_of_one_name_in_one_folder_are_named(tmp_path):
    for name in ("a.bmp", "a.tif", "a_mask.png"):
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match=r"Two files stand for the same example.*a\.bmp.*a\.tif"):
        match_folders(tmp_path, tmp_path)
