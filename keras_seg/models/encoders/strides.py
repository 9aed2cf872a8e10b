"""Where an encoder stops making its feature maps smaller and dilates its kernels instead."""

OUTPUT_STRIDES = (8, 16, 32)


class Strides:
    """Hands out strides and dilation rates, layer by layer, down to an output stride.

    Every layer that makes its map smaller asks `step(stride)`. Up to the output stride it gets its
    own stride. Beyond it gets stride 1: its own kernel keeps the dilation of what comes before, and
    all kernels behind it take `dilation`, so that they meet the same pixels as without the limit.

    L.-C. Chen et al.: DeepLab, arXiv 1606.00915, section 3.1.

    Args:
        output_stride: 8, 16 or 32: pixels of input per pixel of the coarsest map.

    Raises:
        ValueError: it is another number.

    >>> strides = Strides(output_stride=8)
    >>> [strides.step(2) for _ in range(5)], strides.dilation
    ([(2, 1), (2, 1), (2, 1), (1, 1), (1, 2)], 4)
    """

    def __init__(self, output_stride=32):
        if output_stride not in OUTPUT_STRIDES:
            raise ValueError(
                f"An encoder needs an output stride of {OUTPUT_STRIDES}. Received: "
                f"output_stride={output_stride!r}. Choose 32 for the published network."
            )
        self.output_stride = output_stride
        self.reduction = 1
        self.dilation = 1

    def step(self, stride=2):
        """The stride and the dilation rate of a layer that makes its map smaller.

        Args:
            stride: the layer's own stride.

        Returns:
            (stride, dilation rate) to build it with.
        """
        if self.reduction * stride <= self.output_stride:
            self.reduction *= stride
            return stride, self.dilation
        before = self.dilation
        self.dilation *= stride
        return 1, before
