"""From what lies in a body to what a scanner shows of it."""

import numpy as np

from pipelines.drawn.scan.anatomy import CLASS_OF, draw_tissues
from pipelines.drawn.scan.noise import blurred, smooth_noise

# Gray before and after a contrast agent, by tissue: outside, body, organ, vessel, lesion, fat,
# bone, gas, other organ, rim of a lesion. Body and lesion differ by less than their texture.
_GRAY = np.array([
    [4, 92, 118, 108, 98, 58, 190, 30, 116, 104],
    [4, 104, 152, 205, 112, 62, 196, 34, 150, 168],
], np.float32)  # fmt: skip
_TEXTURE = np.array([0, 16, 5, 4, 8, 6, 14, 6, 5, 6], np.float32)


def draw_scan(size: tuple[int, int, int], seed: np.random.SeedSequence):
    """Draw one volume.

    Args:
        size: depth, height, width.
        seed: where chance comes from.

    Returns:
        values uint8 (d, h, w, 2), before and after the contrast agent, and classes uint8 (d, h, w).
    """
    random = np.random.default_rng(seed)
    tissues = draw_tissues(random, size)
    texture = smooth_noise(random, size, 4) * _TEXTURE[tissues]
    thick, wide = random.uniform(0.7, 1.1), random.uniform(0.55, 0.8)  # of the blur, in voxels
    strength = random.uniform(5, 10)
    channels = []
    for gray in _GRAY:
        shifted = gray * random.uniform(0.9, 1.1) + random.normal(0, 3, len(gray))
        clean = blurred(shifted.astype(np.float32)[tissues] + texture, (thick, wide, wide))
        field = np.exp(0.12 * smooth_noise(random, size, max(size) * 0.6))
        real, imaginary = random.normal(0, strength, (2, *size))
        # A magnitude, as MRI measures it: noise is never below 0.
        channels.append(np.hypot(np.maximum(clean, 0) * field + real, imaginary))
    values = np.clip(np.rint(np.stack(channels, axis=-1)), 0, 255).astype(np.uint8)
    return values, CLASS_OF[tissues]
