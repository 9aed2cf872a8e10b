"""Tileable gray textures, 512 x 512 bytes around 128, made once by whole-number arithmetic."""

from functools import cache

import numpy as np

SIDE = 512
PER_METER = 64  # texels


def _random(key: int, *shape: int) -> np.ndarray:
    generator = np.random.Generator(np.random.PCG64([7, key]))
    count = int(np.prod(shape))
    return np.frombuffer(generator.bytes(count), np.uint8).reshape(shape).astype(np.int64)


def _layer(key: int, cell: int) -> np.ndarray:
    """Smooth noise with blobs of about `cell` texels: random values, blended between."""
    field = _random(key, SIDE // cell, SIDE // cell) * 16
    step = np.arange(cell)
    weight = step * step * (3 * cell - 2 * step)  # smooth step times cell**3
    for _ in (0, 1):
        following = np.roll(field, -1, 0)
        mixed = field[:, None] * (cell**3 - weight)[:, None] + following[:, None] * weight[:, None]
        field = (mixed // cell**3).reshape(SIDE, -1).T
    return field


def _level(field: np.ndarray, spread: float) -> np.ndarray:
    """Scale to mean 128 and the given standard deviation."""
    field = field.astype(np.int64)
    mean = int(field.sum()) // field.size
    centered = field - mean
    deviation = (int((centered * centered).sum()) / field.size) ** 0.5
    return np.clip(np.rint(centered * (spread / max(deviation, 1e-9))) + 128, 0, 255).astype(
        np.uint8
    )


def _fractal(key: int, cells: tuple[int, ...], spread: float, power: float = 1.0) -> np.ndarray:
    total = np.zeros((SIDE, SIDE), np.int64)
    for index, cell in enumerate(cells):
        layer = _level(_layer(key * 100 + index, cell), 40).astype(np.int64) - 128
        total += layer * int(64 * power**index)
    return _level(total, spread)


def _blocks(key: int, width: int, height: int, joint: int, spread: float) -> np.ndarray:
    """Courses of bricks or slabs, every other one shifted by half; dark joints."""
    row, column = np.mgrid[0:SIDE, 0:SIDE]
    course = row // height
    along = (column + (course % 2) * (width // 2)) % SIDE
    tone = _random(key, SIDE // height + 1, SIDE // width + 1)[course, along // width]
    grain = _fractal(key + 1, (1, 2, 16), 26).astype(np.int64) - 128
    wall = (tone - 128) * spread / 128 + grain * 0.5 + 134
    wall[(row % height < joint) | (along % width < joint)] -= 36
    return np.clip(wall, 0, 255).astype(np.uint8)


@cache
def tile(name: str) -> np.ndarray:
    """A texture by name, (512, 512) uint8.

    Args:
        name: asphalt, concrete, slabs, cobbles, brick, stone, plaster, cladding, leaves, cloud.
    """
    makers = {
        "asphalt": lambda: _fractal(1, (1, 2, 4, 64, 128), 22, 0.9),
        "concrete": lambda: _fractal(2, (1, 16, 64, 128), 18, 1.1),
        "slabs": lambda: _blocks(3, 32, 32, 2, 34),
        "cobbles": lambda: _blocks(4, 8, 8, 2, 44),
        "brick": lambda: _blocks(5, 16, 8, 1, 50),
        "stone": lambda: _blocks(6, 64, 32, 2, 34),
        "plaster": lambda: _fractal(7, (1, 32, 128, 256), 20, 1.15),
        "cladding": lambda: _blocks(8, 512, 16, 2, 26),
        "leaves": lambda: _fractal(9, (2, 4, 8, 16), 48, 0.9),
        "cloud": lambda: _fractal(10, (256, 128, 64, 32, 16, 8, 4), 50, 0.62),
    }
    texture = makers[name]()
    texture.setflags(write=False)
    return texture
