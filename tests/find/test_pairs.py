"""Which mask belongs to which picture, as public data sets name them."""

import pytest
from PIL import Image

from pipelines.find.pairs import match_folders, match_what_fits


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


def test_linked_folders_are_followed_once_and_never_in_a_circle(tmp_path):
    for part, ending in (("images", "jpg"), ("masks", "png")):
        for place in (f"disk/{part}/town", f"data/{part}/village"):
            (tmp_path / place).mkdir(parents=True)
            (tmp_path / place / f"1.{ending}").touch()
        folder = tmp_path / "data" / part
        (folder / "town").symlink_to(tmp_path / "disk" / part / "town")
        (folder / "alias").symlink_to(folder / "village")  # its files are there already
        (folder / "village" / "up").symlink_to(folder)
        (tmp_path / "disk" / part / "town" / "back").symlink_to(tmp_path)
        (folder / "gone").symlink_to(tmp_path / "nowhere")
    images, masks = tmp_path / "data/images", tmp_path / "data/masks"
    assert match_folders(images, masks) == [
        (str(images / f"{place}/1.jpg"), str(masks / f"{place}/1.png"))
        for place in ("town", "village")
    ]


# Folders or patterns of pictures and masks, and their files; {} is a number.
WAYS = {
    "ISPRS": ("RGB", "gts", "RGB/top_{}_RGB.tif", "gts/top_{}_label_noBoundary.tif"),
    "IDD": ("l", "g/*/*_csTrainIds.png", "l/0/{}_leftImg8bit.png", "g/0/{}_gtFine_csTrainIds.png"),
    "BDD100K": ("i", "c", "i/{}-d4df.jpg", "c/{}-d4df_train_color.png"),
    "RELLIS": ("*/camera", "*/camera_label_id", "{}/camera/f1.jpg", "{}/camera_label_id/f1.png"),
    "Mapillary": ("*/images", "*/v1.2/labels", "val/images/{}.jpg", "val/v1.2/labels/{}.png"),
    "ISIC 2018": ("*_Input", "*_GroundTruth", "Task1-2_Test_Input/ISIC_{}.jpg",
                  "Task1_Test_GroundTruth/ISIC_{}_segmentation.png"),
    "KITTI road": ("image_2", "gt/*_road_*", "image_2/um_{}.png", "gt/um_road_{}.png"),
    "STARE": ("im*.ppm", "labels-ah", "im{}.ppm", "labels-ah/im{}.ah.ppm"),
    "iSAID": ("images", "masks", "images/images/P{}.png",
              "masks/images/P{}_instance_color_RGB.png"),
    "drones": ("original_images", "RGB_masks", "original_images/{}.jpg", "RGB_masks/RGB/{}.png"),
    "REFUGE": ("pictures", "Annotation", "pictures/G/g{}.jpg", "Annotation/Disc_Cup/G/g{}.bmp"),
    "PH2": ("*/*_Image/*", "*/*_lesion/*", "I{0}/I{0}_Image/I{0}.bmp",
            "I{0}/I{0}_lesion/I{0}_lesion.bmp"),
    "ApolloScape": ("ColorImage", "Label/*/*_bin.png", "ColorImage/1/{}_Camera_5.jpg",
                    "Label/1/{}_Camera_5_bin.png"),
    "CelebAMask": ("img", "anno/0/*_skin.png", "img/{}.jpg", "anno/0/000{}_skin.png"),
    "cells": ("01", "01_GT", "01/t{}.tif", "01_GT/man_seg{}.tif"),
    "Sen1Floods11": ("S2Hand", "LabelHand", "S2Hand/Peru_{}_S2Hand.tif",
                     "LabelHand/Peru_{}_LabelHand.tif"),
    "BraTS": ("*/*_flair.nii", "*/*_seg.nii", "B{0}/B{0}_flair.nii", "B{0}/B{0}_seg.nii"),
    "LiTS": ("volume-*", "segmentation-*", "volume-{}.nii", "segmentation-{}.nii"),
    "nnU-Net": ("imagesTr/*_0000.nii.gz", "labelsTr", "imagesTr/prostate_{}_0000.nii.gz",
                "labelsTr/prostate_{}.nii.gz"),
    "one file": ("train-volume.tif", "train-labels.tif", "train-volume.tif", "train-labels.tif"),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_words_of_one_side_alone_do_not_count(tmp_path, way):
    files = [[tmp_path / name.format(i) for i in ("00", "17")] for name in way[2:]]
    for file in (*files[0], *files[1]):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    found = match_folders(tmp_path / way[0], tmp_path / way[1])
    assert found == sorted({(str(a), str(b)) for a, b in zip(*files, strict=True)})


def test_channels_have_names_of_their_own(tmp_path):
    """38-Cloud: red_patch_1.TIF in train_red, nir_patch_1.TIF in train_nir, gt_patch_1.TIF."""
    for part in ("red", "nir", "gt"):
        (tmp_path / part).mkdir()
        for i in (1, 2):
            (tmp_path / part / f"{part}_patch_{i}.TIF").touch()
    found = match_folders([tmp_path / "red", tmp_path / "nir"], tmp_path / "gt")
    names = [[file.split("/")[-1] for file in (*image, label)] for image, label in found]
    assert names == [[f"{part}_patch_{i}.TIF" for part in ("red", "nir", "gt")] for i in (1, 2)]
    (tmp_path / "dsm").mkdir()
    (tmp_path / "dsm/height.TIF").touch()
    with pytest.raises(ValueError, match=r"Channels of one picture need .*dsm' that .*red_patch_1"):
        match_folders([tmp_path / "red", tmp_path / "dsm"], tmp_path / "gt")


def test_names_with_nothing_in_common_are_shown(tmp_path):
    for name in ("images/a.jpg", "images/b.jpg", "masks/c.png", "masks/d.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match=r"names in common.*images/a\.jpg' and .*masks/c\.png"):
        match_folders(tmp_path / "images", tmp_path / "masks")
    with pytest.raises(ValueError, match=r"names in common.*a\.jpg' and no mask\. Give the folder"):
        match_folders(tmp_path / "images", tmp_path / "images")


def test_archives_that_are_still_packed_are_named(tmp_path):
    (tmp_path / "images.zip").touch()
    with pytest.raises(ValueError, match=r"which holds \.zip\. Unpack the archives, or put files"):
        match_folders(tmp_path, tmp_path)


def test_what_has_no_partner_is_returned_on_request(tmp_path):
    for name in ("a.jpg", "a.png", "b.jpg"):
        Image.new("L", (2, 2)).save(tmp_path / name)
    Image.new("L", (2, 2)).save(tmp_path / "c_mask.png")
    pairs, unmatched, note = match_what_fits(tmp_path, tmp_path)
    assert note == ""
    assert [image for image, _ in pairs] == [str(tmp_path / "a.jpg")]
    assert unmatched == [
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
