"""DINOv2's vision transformer (Oquab et al. 2023, arXiv:2304.07193), with its authors' names of parameters.

Their own code comes by torch.hub, which downloads and runs what it finds; this is the same network, so that weights are all that is
downloaded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

PATCH = 14
PRETRAINED_SIDE = 518  # pixels: position embeddings are those of 37 x 37 patches
HEAD_WIDTH = 64
OFFSET = 0.1  # patches that the authors add to the wanted grid when they interpolate position embeddings


@dataclass(frozen=True)
class Architecture:
    """Width of a token, number of blocks, and whether the blocks' networks are gated (SwiGLU) as in the giant."""

    width: int
    depth: int
    gated: bool = False


class Attention(nn.Module):
    """Multi-head self-attention with one matrix for queries, keys and values."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = width // HEAD_WIDTH
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, width)."""
        queries, keys, values = self.qkv(x).unflatten(2, (3, self.heads, HEAD_WIDTH)).permute(2, 0, 3, 1, 4)  # (B, heads, T, 64)
        mixed: Tensor = self.proj(nn.functional.scaled_dot_product_attention(queries, keys, values).transpose(1, 2).flatten(2))
        return mixed


class Mlp(nn.Module):
    """Two layers with GELU between."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, width)."""
        out: Tensor = self.fc2(nn.functional.gelu(self.fc1(x)))
        return out


class GatedMlp(nn.Module):
    """SwiGLU (Shazeer 2020) of two thirds of the hidden width, rounded up to a multiple of 8."""

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = (4 * width * 2 // 3 + 7) // 8 * 8
        self.w12, self.w3 = nn.Linear(width, 2 * hidden), nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, width)."""
        gate, value = self.w12(x).chunk(2, dim=-1)
        out: Tensor = self.w3(nn.functional.silu(gate) * value)
        return out


class Scale(nn.Module):
    """A factor a channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.empty(width))

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, width)."""
        return x * self.gamma


class Block(nn.Module):
    """Attention and a network, each after a normalisation, scaled and added."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        width = architecture.width
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.attn, self.mlp = Attention(width), GatedMlp(width) if architecture.gated else Mlp(width)
        self.ls1, self.ls2 = Scale(width), Scale(width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, width)."""
        x = x + self.ls1(self.attn(self.norm1(x)))
        out: Tensor = x + self.ls2(self.mlp(self.norm2(x)))
        return out


class PatchEmbed(nn.Module):
    """Patches of 14 x 14 pixels to tokens."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, PATCH, PATCH)

    def forward(self, x: Tensor) -> Tensor:
        """(B, patches, width) of images (B, 3, H, W)."""
        tokens: Tensor = self.proj(x).flatten(2).transpose(1, 2)
        return tokens


class DinoV2(nn.Module):
    """The transformer; its answer is the class token after the last normalisation."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        width, side = architecture.width, PRETRAINED_SIDE // PATCH
        self.patch_embed = PatchEmbed(width)
        self.cls_token = nn.Parameter(torch.empty(1, 1, width))
        self.mask_token = nn.Parameter(torch.empty(1, width))  # of training alone, but the files hold it
        self.pos_embed = nn.Parameter(torch.empty(1, 1 + side**2, width))
        self.blocks = nn.ModuleList(Block(architecture) for _ in range(architecture.depth))
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, images: Tensor) -> Tensor:
        """Features (B, width) of normalised images (B, 3, S, S), S a multiple of 14."""
        tokens = torch.cat([self.cls_token.expand(len(images), -1, -1), self.patch_embed(images)], dim=1)  # (B, 1 + patches, width)
        tokens = tokens + self.positions(images.shape[2] // PATCH)
        for block in self.blocks:
            tokens = block(tokens)
        features: Tensor = self.norm(tokens[:, 0])
        return features

    def positions(self, side: int) -> Tensor:
        """Position embeddings (1, 1 + side * side, width), bicubic, the factor with the authors' offset."""
        trained = math.isqrt(self.pos_embed.shape[1] - 1)
        if side == trained:
            return self.pos_embed
        grid = self.pos_embed[:, 1:].unflatten(1, (trained, trained)).permute(0, 3, 1, 2)  # (1, width, 37, 37)
        factor = (side + OFFSET) / trained
        grid = nn.functional.interpolate(grid, scale_factor=(factor, factor), mode="bicubic")
        return torch.cat([self.pos_embed[:, :1], grid.flatten(2).transpose(1, 2)], dim=1)
