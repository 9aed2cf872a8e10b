"""ContextNet cn14 as a PyTorch user would write it, to compare the speed of a training step."""

import torch
from torch import nn
from torch.nn import functional


def conv(channels, filters, kernel_size=3, stride=1, groups=1, dilation=1, activation=True):
    """Convolution, batch normalization and, if asked, ReLU6."""
    padding = dilation * (kernel_size - 1) // 2
    layers = [
        nn.Conv2d(channels, filters, kernel_size, stride, padding, dilation, groups, bias=False),
        nn.BatchNorm2d(filters),
    ]
    return nn.Sequential(*layers, *([nn.ReLU6(inplace=True)] if activation else []))


class Bottleneck(nn.Module):
    """Inverted residual block."""

    def __init__(self, channels, filters, expansion, stride):
        super().__init__()
        inside = channels * expansion
        self.body = nn.Sequential(
            conv(channels, inside, 1),
            conv(inside, inside, stride=stride, groups=inside),
            conv(inside, filters, 1, activation=False),
        )
        self.residual = stride == 1 and channels == filters

    def forward(self, x):
        return x + self.body(x) if self.residual else self.body(x)


class ContextNet(nn.Module):
    """cn14 with its auxiliary head, layer by layer as in the paper."""

    def __init__(self, num_classes):
        super().__init__()
        stages = ((1, 32, 1, 1), (6, 32, 1, 1), (6, 48, 3, 2), (6, 64, 3, 2), (6, 96, 2, 1),
                  (6, 128, 2, 1))  # fmt: skip
        blocks, channels = [conv(3, 32, stride=2)], 32
        for expansion, filters, repeats, stride in stages:
            for repeat in range(repeats):
                blocks.append(Bottleneck(channels, filters, expansion, stride if not repeat else 1))
                channels = filters
        self.context = nn.Sequential(*blocks, conv(128, 128, 1))
        detail, channels = [conv(3, 32, stride=2)], 32
        for filters, stride in ((64, 2), (128, 2), (128, 1)):
            detail += [conv(channels, channels, stride=stride, groups=channels, activation=False),
                       conv(channels, filters, 1)]  # fmt: skip
            channels = filters
        self.detail = nn.Sequential(*detail)
        self.depthwise = conv(128, 128, groups=128, dilation=4)
        self.low = conv(128, 128, 1, activation=False)
        self.high = conv(128, 128, 1, activation=False)
        self.classifier = nn.Sequential(nn.Dropout(0.1), nn.Conv2d(128, num_classes, 1))
        self.auxiliary = nn.Sequential(nn.Dropout(0.1), nn.Conv2d(128, num_classes, 1))

    def forward(self, image):
        x = image.permute(0, 3, 1, 2).float() / 127.5 - 1
        context = self.context(functional.avg_pool2d(x, 4))
        detail = self.detail(x)
        size = detail.shape[2:]
        low = functional.interpolate(context, size, mode="bilinear")
        fused = functional.relu6(self.low(self.depthwise(low)) + self.high(detail))
        logits = functional.interpolate(self.classifier(fused), x.shape[2:], mode="bilinear")
        auxiliary = functional.interpolate(self.auxiliary(context), size, mode="bilinear")
        return logits, auxiliary


def training_step(images, labels, num_classes):
    """A function that trains one step on the batch, as often as it is called."""
    network = ContextNet(num_classes).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
    images, labels = torch.from_numpy(images), torch.from_numpy(labels).long()

    def step():
        optimizer.zero_grad(set_to_none=True)
        logits, auxiliary = network(images)
        # The labels under the centers of the auxiliary head's cells, as ours has it.
        small = labels[:, 4::8, 4::8]
        loss = functional.cross_entropy(logits, labels, ignore_index=255)
        loss = loss + 0.4 * functional.cross_entropy(auxiliary, small, ignore_index=255)
        loss.backward()
        optimizer.step()

    return step
