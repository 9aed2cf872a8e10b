"""Output stride of an encoder: further strides are replaced by dilation."""

OUTPUT_STRIDES = (8, 16, 32)


class Strides:
    """Strides and dilation rates of an encoder's layers for an output stride.

    Each strided layer calls `step(stride)`. Up to the output stride the result is the layer's own
    stride. Beyond it the stride is 1: the layer has the dilation of the layers before, and all
    later kernels have `dilation`, so that they sample the same pixels as without the limit.

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
        """The stride and the dilation rate of a strided layer.

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
