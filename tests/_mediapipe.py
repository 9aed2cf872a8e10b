"""Segments pictures with MediaPipe alone; export/test_mediapipe.py runs it.

Usage: _mediapipe.py FILE.tflite PICTURES.npy OUT.npz
"""

import sys

import mediapipe
import numpy as np
from mediapipe.tasks.python import BaseOptions
from mediapipe.tasks.python.vision import ImageSegmenter, ImageSegmenterOptions

file, pictures, out = sys.argv[1:]
options = ImageSegmenterOptions(
    base_options=BaseOptions(model_asset_path=file),
    output_category_mask=True,
    output_confidence_masks=True,
)
masks, confidences = [], []
with ImageSegmenter.create_from_options(options) as segmenter:
    names = list(segmenter.labels)
    for picture in np.load(pictures):
        image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=picture)
        found = segmenter.segment(image)
        masks.append(found.category_mask.numpy_view().reshape(picture.shape[:2]).copy())
        maps = [mask.numpy_view().reshape(picture.shape[:2]) for mask in found.confidence_masks]
        confidences.append(np.stack(maps, -1))
np.savez(out, names=names, masks=masks, confidences=confidences)
