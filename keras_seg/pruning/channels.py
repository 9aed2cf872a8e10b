"""The channels of all maps of a model, and which of them can only be removed together."""

import numpy as np


class Channels:
    """Numbers channels and ties them to each other.

    >>> channels = Channels()
    >>> first, second = channels.new(3), channels.new(3)
    >>> channels.tie(first, second)
    >>> channels.roots(second).tolist(), channels.roots(first).tolist()
    ([0, 1, 2], [0, 1, 2])
    """

    def __init__(self):
        self._parents = []
        self._fixed = set()

    def new(self, count):
        """Channels that are tied to no others.

        Args:
            count: how many.

        Returns:
            Their numbers, int array (count,).
        """
        first = len(self._parents)
        self._parents.extend(range(first, first + count))
        return np.arange(first, first + count)

    def tie(self, one, other):
        """Tie channels in pairs: each is removed with the other or not at all.

        Args:
            one: numbers of channels, int (n,).
            other: as many numbers.
        """
        for first, second in zip(one, other, strict=True):
            low, high = sorted((self._root(first), self._root(second)))
            self._parents[high] = low

    def fix(self, numbers):
        """Keep channels, and all that are tied to them.

        Args:
            numbers: numbers of channels, int (n,).
        """
        self._fixed.update(int(number) for number in numbers)

    def roots(self, numbers):
        """The lowest of the numbers that each channel is tied to.

        Args:
            numbers: numbers of channels, int (n,).

        Returns:
            int array (n,).
        """
        return np.array([self._root(number) for number in numbers], int)

    def fixed(self):
        """Which roots are kept.

        Returns:
            set of int.
        """
        return {self._root(number) for number in self._fixed}

    def count(self):
        """How many channels there are."""
        return len(self._parents)

    def _root(self, number):
        number = int(number)
        while self._parents[number] != number:
            self._parents[number] = self._parents[self._parents[number]]
            number = self._parents[number]
        return number
