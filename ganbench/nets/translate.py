"""Networks from image to image: a small U-Net, and a discriminator of patches. Isola et al. 2017, arXiv:1611.07004, section 3.2.

They halve the resolution twice, so that they serve images from 8 x 8 on. Instance norm stands where the paper has batch norm on
batches of one image, which is the same thing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from ganbench.variant import Space

WIDTH = 24
SLOPE = 0.2  # of the leaky ReLU below 0, which the way up does not have (appendix: the ReLUs of the decoder do not leak)


def supports(space: Space) -> str | None:
    """None for images whose sides are multiples of 4 from 8 on, else one sentence."""
    if space.is_points:
        return "It makes images from images, and these data are points; choose pairs of images."
    height, width = space.shape[1:]
    if height != width or height < 8 or height % 4:
        return f"Its networks halve a square twice, not {height} x {width} pixels; resize them to a square of 8, 12, 16 ... pixels."
    return None


class UNet(nn.Module):
    """(z, inputs (B, C, H, W)) -> images (B, outputs, H, W) in [-1, 1]; with a latent of size 0, z is not read.

    z is joined at the lowest resolution.
    """

    def __init__(self, inputs: int, outputs: int, latent_size: int) -> None:
        super().__init__()
        self.enter = _started(nn.Conv2d(inputs, WIDTH, 3, padding=1))
        self.down = _block(nn.Conv2d(WIDTH, 2 * WIDTH, 4, 2, 1, bias=False), 2 * WIDTH)
        self.lower = _block(nn.Conv2d(2 * WIDTH, 4 * WIDTH, 4, 2, 1, bias=False), 4 * WIDTH)
        self.latent = _started(nn.Linear(latent_size, 4 * WIDTH)) if latent_size else None
        self.rise = _block(nn.ConvTranspose2d(4 * WIDTH, 2 * WIDTH, 4, 2, 1, bias=False), 2 * WIDTH, slope=0.0)
        self.up = _block(nn.ConvTranspose2d(4 * WIDTH, WIDTH, 4, 2, 1, bias=False), WIDTH, slope=0.0)
        self.leave = _started(nn.Conv2d(2 * WIDTH, outputs, 3, padding=1))

    def forward(self, z: Tensor, inputs: Tensor) -> Tensor:
        """The images that are made of `inputs`."""
        first = nn.functional.leaky_relu(self.enter(inputs), SLOPE)  # (B, W, H, W)
        second = self.down(first)  # (B, 2 W, H / 2, W / 2)
        lowest = self.lower(second)  # (B, 4 W, H / 4, W / 4)
        if self.latent is not None:
            lowest = lowest + self.latent(z)[:, :, None, None]
        risen = torch.cat([self.rise(lowest), second], dim=1)
        images: Tensor = torch.tanh(self.leave(torch.cat([self.up(risen), first], dim=1)))
        return images


def patch_discriminator(channels: int) -> nn.Sequential:
    """Images (B, channels, H, W) -> logits (B, 1, H / 4, W / 4), one for each patch."""
    return nn.Sequential(
        _started(nn.Conv2d(channels, 2 * WIDTH, 4, 2, 1)),
        nn.LeakyReLU(SLOPE),
        _block(nn.Conv2d(2 * WIDTH, 4 * WIDTH, 4, 2, 1, bias=False), 4 * WIDTH),
        _started(nn.Conv2d(4 * WIDTH, 1, 3, padding=1)),
    )


def _block(layer: nn.Conv2d | nn.ConvTranspose2d, maps: int, slope: float = SLOPE) -> nn.Sequential:
    return nn.Sequential(_started(layer), nn.InstanceNorm2d(maps, affine=True), nn.LeakyReLU(slope) if slope else nn.ReLU())


def _started(layer: nn.Conv2d | nn.ConvTranspose2d | nn.Linear) -> nn.Module:
    nn.init.normal_(layer.weight, 0.0, 0.02)  # the paper's training details and its code
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
