"""Dense CRF: align probabilities with the colors of the picture, as after DeepLab-v2.

P. Krähenbühl, V. Koltun: Efficient Inference in Fully Connected CRFs with Gaussian Edge Potentials,
NIPS 2011, arXiv 1210.5644. DeepLab-v2 (arXiv 1606.00915) uses it in section 3.3.
"""

import numpy as np

from keras_seg import _check


def dense_crf(
    picture,
    probabilities,
    iterations=10,
    appearance=(4.0, 67.0, 3.0),
    smoothness=(3.0, 1.0),
):
    """Refine the class probabilities of a picture by mean field inference in a dense CRF.

    Every two pixels prefer the same class, with two weights (DeepLab-v2, equation 3):
    w1 exp(-|p - q|**2 / (2 alpha**2) - |I_p - I_q|**2 / (2 beta**2)) for places p, q and colors I,
    and w2 exp(-|p - q|**2 / (2 gamma**2)). The defaults are those of public code for DeepLab-v2
    with ResNet-101 (github.com/kazuto1011/deeplab-pytorch, configs/voc12.yaml). The paper's section
    4.1 has w2 = gamma = 3, and searches w1 from 3 to 6, alpha from 30 to 100 and beta from 3 to 6
    on 100 validation pictures. The sums over all pairs are approximated with a permutohedral
    lattice (A. Adams et al., 2010); kernels are normalized symmetrically. It runs on the CPU, for
    seconds per picture, and is not part of exports.

    Args:
        picture: (h, w, c) with values 0..255, such as a photo's red, green, blue.
        probabilities: (h, w, num_classes), such as `segmenter.probabilities(picture)`.
        iterations: updates of the mean field, 0 or more.
        appearance: (w1, alpha in pixels, beta in units of color).
        smoothness: (w2, gamma in pixels).

    Returns:
        float32 (h, w, num_classes), probabilities; `.argmax(-1)` is the label map.

    Raises:
        ValueError: shapes differ, or a number is out of range.

    >>> picture = np.zeros((4, 6, 3), "uint8")
    >>> dense_crf(picture, np.full((4, 6, 2), 0.5)).shape
    (4, 6, 2)
    """
    picture, probabilities = np.asarray(picture, "float64"), np.asarray(probabilities, "float64")
    if picture.ndim != 3 or probabilities.ndim != 3 or picture.shape[:2] != probabilities.shape[:2]:
        raise ValueError(
            "`dense_crf` needs a picture (h, w, c) and its probabilities (h, w, num_classes). "
            f"Received: {picture.shape} and {probabilities.shape}. Pass one picture at a time."
        )
    _check.positive_integer("dense_crf", "iterations", iterations, at_least=0)
    (w1, alpha, beta), (w2, gamma) = appearance, smoothness
    for name, value in (("w1", w1), ("w2", w2)):
        _check.number("dense_crf", name, value, at_least=0)
    for name, value in (("alpha", alpha), ("beta", beta), ("gamma", gamma)):
        _check.number("dense_crf", name, value, above=0)
    height, width, classes = probabilities.shape
    place = np.stack(list(np.mgrid[:height, :width]), axis=-1).reshape(-1, 2)
    colors = picture.reshape(height * width, -1)
    kernels = [
        (w1, normalized(Lattice(np.concatenate([place / alpha, colors / beta], axis=1)))),
        (w2, normalized(Lattice(place / gamma))),
    ]
    found = mean_field(probabilities.reshape(-1, classes), kernels, iterations)
    return found.reshape(height, width, classes).astype("float32")


def mean_field(probabilities, kernels, iterations):
    """The approximate marginals of a CRF whose pairs of unequal classes cost the kernel's weight.

    Args:
        probabilities: (n, num_classes), those without the CRF.
        kernels: pairs (weight, function) whose function sums values (n, num_classes) of all
            points, weighted by the kernel.
        iterations: number of updates.

    Returns:
        (n, num_classes).

    >>> mean_field(np.array([[0.25, 0.75]]), [], 3).round(6).tolist()
    [[0.25, 0.75]]
    """
    unary = np.log(np.maximum(probabilities, 1e-10))
    found = _softmax(unary)
    for _ in range(iterations):
        found = _softmax(unary + sum(weight * kernel(found) for weight, kernel in kernels))
    return found


def normalized(kernel):
    """A kernel K as D**-1/2 K D**-1/2, with D the sums of its rows.

    Args:
        kernel: function from values (n, m) to their weighted sums (n, m).

    Returns:
        a function like it, with weighted sums of about the values' size.
    """
    ones: np.ndarray | None = None

    def apply(values):
        nonlocal ones
        if ones is None:
            ones = 1 / np.sqrt(kernel(np.ones((len(values), 1))) + 1e-20)
        return ones * kernel(ones * values)

    return apply


class Lattice:
    """Sums of values at points, weighted by exp(-|x - y|**2 / 2), in time linear in the points.

    A. Adams, J. Baek, M. Davis: Fast High-Dimensional Filtering Using the Permutohedral Lattice,
    Eurographics 2010, sections 3.1 to 3.3.

    Args:
        points: (n, d), in standard deviations of the kernel.

    Call arguments:
        values: (n, m).

    Returns:
        (n, m), approximately.

    >>> Lattice(np.zeros((3, 2)))(np.ones((3, 1))).shape
    (3, 1)
    """

    def __init__(self, points):
        points = np.asarray(points, "float64")
        number, self.dimensions = points.shape
        corners, self.shares = _corners(_elevated(points))
        codes, self._code = _coded(corners)
        self._codes, first, places = np.unique(codes, return_index=True, return_inverse=True)
        self.places = places.reshape(number, self.dimensions + 1)
        self.keys = corners.reshape(-1, self.dimensions)[first]
        self.neighbors = [self._neighbors(axis) for axis in range(self.dimensions + 1)]

    def __call__(self, values):
        """Spread the values over the lattice, blur along its axes, and read them again."""
        size = len(self.keys)
        spread = np.empty((size + 1, values.shape[1]))  # The last row: no point of the lattice.
        flat = self.places.ravel()
        for column in range(values.shape[1]):
            weights = (self.shares * values[:, column, None]).ravel()
            spread[:size, column] = np.bincount(flat, weights, minlength=size)
        spread[size] = 0
        for before, after in self.neighbors:
            spread[:size] += 0.5 * (spread[before] + spread[after])
        scale = 1 / (1 + 2.0**-self.dimensions)
        read = np.einsum("nk,nkm->nm", self.shares, spread[self.places])
        return scale * read

    def _neighbors(self, axis):
        """Rows of the points before and behind each point along an axis of the lattice."""
        found = []
        for sign in (-1, 1):
            keys = self.keys + sign
            if axis < self.dimensions:
                keys[:, axis] -= sign * (self.dimensions + 1)
            codes = self._code(keys)
            rows = np.minimum(np.searchsorted(self._codes, codes), len(self._codes) - 1)
            found.append(np.where(self._codes[rows] == codes, rows, len(self._codes)))
        return found


def _elevated(points):
    """The points in the plane of d + 1 coordinates whose sum is 0, scaled for the blur."""
    dimensions = points.shape[1]
    index = np.arange(dimensions)
    scaled = points * (np.sqrt(2 / 3) * (dimensions + 1) / np.sqrt((index + 1) * (index + 2)))
    # Coordinate j: the sum of those from j on, less j times the one before.
    from_here = np.cumsum(scaled[:, ::-1], axis=1)[:, ::-1]
    before = scaled * (index + 1)
    return np.pad(from_here, [(0, 0), (0, 1)]) - np.pad(before, [(0, 0), (1, 0)])


def _corners(elevated):
    """Keys (n, d + 1, d) of the corners of each point's simplex, and its shares (n, d + 1)."""
    number, size = elevated.shape
    near = np.round(elevated / size).astype("int64")
    rest = elevated - near * size
    # Rank of each coordinate's rest, the largest first; equal ones in their order.
    rank = np.argsort(np.argsort(-rest, axis=1, kind="stable"), axis=1, kind="stable")
    rank += near.sum(axis=1, keepdims=True)
    near = near * size + size * (rank < 0) - size * (rank >= size)
    rank = rank + size * (rank < 0) - size * (rank >= size)
    share = (elevated - near) / size
    shares = np.zeros((number, size + 1))
    rows = np.arange(number)[:, None]
    shares[rows, size - 1 - rank] += share
    np.add.at(shares, (rows, size - rank), -share)
    shares[:, 0] += 1 + shares[:, size]
    step = np.arange(size)[:, None]
    moves = np.where(np.arange(size)[None] < size - step, step, step - size)  # (corner, rank)
    keys = near[:, None, :] + moves[np.arange(size)[None, :, None], rank[:, None, :]]
    return keys[:, :, :-1], shares[:, :size]


def _coded(corners):
    """One number for each key, and the function that makes it, also for keys beside them."""
    dimensions = corners.shape[-1]
    lowest = corners.min(axis=(0, 1)) - dimensions - 1
    sides = corners.max(axis=(0, 1)) + dimensions + 2 - lowest
    strides = np.concatenate([[1], np.cumprod(sides[:-1])])

    def code(keys):
        return ((keys - lowest) * strides).sum(axis=-1)

    return code(corners).ravel(), code


def _softmax(values):
    values = np.exp(values - values.max(axis=-1, keepdims=True))
    return values / values.sum(axis=-1, keepdims=True)
