"""One shape per picture: a small classification dataset for tests, examples and comparisons."""

import numpy as np

from pipelines.dataset import Dataset
from pipelines.drawn.dataset import drawn_dataset
from pipelines.find.classes import Classes

_FINE = 3  # points per pixel and axis, whose mean is a pixel with soft edges
_TURN = np.pi / 12  # largest turn; more would make a square a diamond, and a plus a cross


def single_shapes(
    num_images: int = 2000,
    size: tuple[int, int] = (32, 32),
    seed: int = 0,
    num_channels: int = 3,
    num_classes: int = 10,
) -> Dataset:
    """Draw one of ten shapes on a noisy background with clutter; its class is the picture's.

    Place, size, turn and colors are random and say nothing about the class: only the outline does.
    Picture number i of a split depends on the arguments and i alone.

    Args:
        num_images: number of pictures, at least 3: 70 % train, 15 % val, 15 % test.
        size: height and width in pixels, at least 32 each.
        seed: whole number from 0 up.
        num_channels: channels of the pictures, at least 1.
        num_classes: number of shapes, the first of the ten, 2 to 10.

    Returns:
        the dataset with the splits "train", "val" and "test", in memory.

    Raises:
        TypeError: if an argument is not a whole number, or size is not two of them.
        ValueError: if a number is out of its range.

    >>> data = single_shapes(num_images=8)
    >>> data.task, data.class_names[:3]
    ('classification', ('disc', 'ring', 'square'))
    >>> image, class_id = data.example("train", 0)
    >>> image.shape, class_id.shape
    ((32, 32, 3), ())
    """
    limits = {"num_channels": (num_channels, 1, 64), "num_classes": (num_classes, 2, len(_SHAPES))}
    for name, (value, lowest, highest) in limits.items():
        if not hasattr(value, "__index__") or not lowest <= value <= highest:
            raise ValueError(
                f"`single_shapes` needs {name} to be a whole number from {lowest} to {highest}. "
                f"Received: {name}={value!r}."
            )
    names = list(_SHAPES)[:num_classes]

    def draw(size, seed):
        return _draw(size, seed, names, num_channels)

    return drawn_dataset("single_shapes", draw, num_images, size, seed, classes=Classes.make(names))


def _disc(x, y):
    return np.hypot(x, y) < 0.85


def _ring(x, y):
    return _disc(x, y) & (np.hypot(x, y) > 0.5)


def _square(x, y):
    return np.maximum(abs(x), abs(y)) < 0.75


def _frame(x, y):
    return _square(x, y) & (np.maximum(abs(x), abs(y)) > 0.45)


def _triangle(x, y):
    return (y < 0.65) & (abs(x) < 0.55 * (y + 0.95))


def _plus(x, y):
    return (np.minimum(abs(x), abs(y)) < 0.24) & (np.maximum(abs(x), abs(y)) < 0.85)


def _cross(x, y):
    return _plus((x + y) / np.sqrt(2), (x - y) / np.sqrt(2))


def _star(x, y):
    return np.hypot(x, y) < 0.6 + 0.35 * np.cos(5 * np.arctan2(x, -y))


def _crescent(x, y):
    return _disc(x, y) & (np.hypot(x - 0.45, y) > 0.7)


def _stripes(x, y):
    return _square(x, y) & (np.floor((y + 0.75) / 0.3) % 2 == 0)


_SHAPES = {
    "disc": _disc,
    "ring": _ring,
    "square": _square,
    "frame": _frame,
    "triangle": _triangle,
    "plus": _plus,
    "cross": _cross,
    "star": _star,
    "crescent": _crescent,
    "stripes": _stripes,
}


def _draw(size, seed, names, num_channels):
    """Draw a picture uint8 (h, w, c), and return it with its class id int32 ()."""
    random = np.random.default_rng(seed)
    class_id = seed.spawn_key[-1] % len(names)  # each class equally often
    height, width = size
    rows, columns = np.meshgrid(
        *((np.arange(side * _FINE) + 0.5) / _FINE for side in size), indexing="ij"
    )
    ground, front = _two_colors(random, num_channels)
    slope = random.uniform(-30, 30, (2, num_channels))
    y, x = np.meshgrid(*(np.linspace(-1, 1, side) for side in size), indexing="ij")
    image = ground + y[..., None] * slope[0] + x[..., None] * slope[1]
    for _ in range(random.integers(2, 6)):  # clutter: short strokes
        spot = random.uniform(0, 1, 2) * size
        reach = random.uniform(1, 3, 2)
        inside = (abs(rows - spot[0]) < reach[0]) & (abs(columns - spot[1]) < reach[1])
        image = _paint(image, inside, random.uniform(0, 255, num_channels), size)
    radius = min(size) * random.uniform(0.22, 0.4)
    center = radius + random.uniform(0, 1, 2) * (np.array(size) - 2 * radius)
    turn = random.uniform(-_TURN, _TURN)
    y, x = (rows - center[0]) / radius, (columns - center[1]) / radius
    x, y = x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)
    image = _paint(image, _SHAPES[names[class_id]](x, y), front, size)
    image += random.normal(0, 12, (height, width, num_channels))
    return image.clip(0, 255).astype(np.uint8), np.array(class_id, np.int32)


def _two_colors(random, num_channels):
    """Return two colors that differ clearly, float (channels,)."""
    while True:
        colors = random.uniform(20, 235, (2, num_channels))
        if abs(colors[0] - colors[1]).max() > 70:
            return colors


def _paint(image, inside, color, size):
    """Put a color where points are inside; pixels at the edge are mixed by their share."""
    height, width = size
    share = inside.reshape(height, _FINE, width, _FINE).mean(axis=(1, 3))[..., None]
    return image * (1 - share) + share * color
