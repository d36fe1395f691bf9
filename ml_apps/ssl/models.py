"""Encoders for small images, and projectors."""

import itertools
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["ENCODERS", "MLPEncoder", "ResNet18", "SmallConv", "ViTTiny", "bottleneck", "projector"]


def projector(dim, widths, *, bias=False):
    """Linear, batch norm and ReLU; the last layer is linear alone.

    Parameters
    ----------
    dim : int
        Of the features.
    widths : sequence of int
        The last is the dimension of the embedding.
    bias : bool
        Of the last layer.

    Returns
    -------
    nn.Sequential
    """
    layers, sizes = [], [dim, *widths]
    for a, b in itertools.pairwise(sizes[:-1]):
        layers += [nn.Linear(a, b, bias=False), nn.BatchNorm1d(b), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1], bias=bias))


def bottleneck(dim, hidden, out):
    """The head of DINO up to its prototypes: GELU layers without batch norm.

    Parameters
    ----------
    dim, hidden, out : int

    Returns
    -------
    nn.Sequential
    """
    return nn.Sequential(
        nn.Linear(dim, hidden),
        nn.GELU(),
        nn.Linear(hidden, hidden),
        nn.GELU(),
        nn.Linear(hidden, out),
    )


class MLPEncoder(nn.Module):
    """For images of a few pixels.

    Parameters
    ----------
    channels, size : int
        Of the images.
    dim : int
        Of the features.
    """

    def __init__(self, channels, size, dim=128):
        super().__init__()
        self.dim = dim
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(channels * size**2, 2 * dim, bias=False),
            nn.BatchNorm1d(2 * dim),
            nn.ReLU(),
            nn.Linear(2 * dim, dim),
        )

    def forward(self, x):
        """Features, shape (n, dim)."""
        return self.layers(x)


class SmallConv(nn.Module):
    """Three strided convolutions, and a mean over places.

    Parameters
    ----------
    channels, size : int
        Of the images; any size from 8 on.
    dim : int
        Maps of the last layer.
    pooled : bool
        Whether the mean is taken: features are `dim` numbers then, and `dim` for every place
        otherwise, which suits images that stand still, as of characters.
    """

    def __init__(self, channels, size, dim=128, *, pooled=True):
        super().__init__()
        side = -(-size // 8)
        self.dim, self.pooled = dim * (1 if pooled else side**2), pooled
        layers = []
        for a, b in zip((channels, dim // 4, dim // 2), (dim // 4, dim // 2, dim), strict=True):
            layers += [
                nn.Conv2d(a, b, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(b),
                nn.ReLU(),
            ]
        self.layers = nn.Sequential(*layers)

    def forward(self, x):
        """Features, shape (n, dim)."""
        maps = self.layers(x)
        return maps.mean(dim=(2, 3)) if self.pooled else maps.flatten(1)


class _Block(nn.Module):
    """Basic residual block: K. He et al., CVPR 2016, :doi:`10.1109/CVPR.2016.90`."""

    def __init__(self, a, b, stride):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(a, b, 3, stride, 1, bias=False),
            nn.BatchNorm2d(b),
            nn.ReLU(),
            nn.Conv2d(b, b, 3, 1, 1, bias=False),
            nn.BatchNorm2d(b),
        )
        self.skip = nn.Sequential()
        if stride > 1 or a != b:
            self.skip = nn.Sequential(nn.Conv2d(a, b, 1, stride, bias=False), nn.BatchNorm2d(b))

    def forward(self, x):
        return F.relu(self.body(x) + self.skip(x))


class ResNet18(nn.Module):
    """ResNet-18 with a 3 x 3 stem and no pooling before the blocks, for 32 x 32 images.

    Parameters
    ----------
    channels, size : int
        Of the images.
    """

    def __init__(self, channels, size):
        super().__init__()
        del size
        self.dim = 512
        self.stem = nn.Sequential(
            nn.Conv2d(channels, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU()
        )
        blocks, a = [], 64
        for b, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
            blocks += [_Block(a, b, stride), _Block(b, b, 1)]
            a = b
        self.blocks = nn.Sequential(*blocks)

    def forward(self, x):
        """Features, shape (n, 512)."""
        return self.blocks(self.stem(x)).mean(dim=(2, 3))


class ViTTiny(nn.Module):
    """Vision transformer with pre-normalisation and a class token.

    Parameters
    ----------
    channels, size : int
        Of the images.
    dim, depth, heads, patch : int
        Width, blocks, attention heads and side of a patch.
    """

    def __init__(self, channels, size, *, dim=192, depth=6, heads=3, patch=4):
        super().__init__()
        self.dim, self.patch, self.grid = dim, patch, size // patch
        self.embed = nn.Conv2d(channels, dim, patch, patch)
        self.cls = nn.Parameter(torch.zeros(1, 1, dim))
        self.masked = nn.Parameter(torch.zeros(1, 1, dim))
        self.place = nn.Parameter(torch.empty(1, dim, self.grid, self.grid))
        nn.init.trunc_normal_(self.place, std=0.02)
        layer = nn.TransformerEncoderLayer(
            dim, heads, 4 * dim, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(dim)

    def tokens(self, x, mask=None):
        """Class token and patches.

        Parameters
        ----------
        x : Tensor, shape (n, c, h, w)
            Any size that is a multiple of the patch: places are interpolated.
        mask : Tensor of bool, shape (n, P), optional
            Patches that are replaced by a learnt token.

        Returns
        -------
        Tensor, shape (n, 1 + P, dim)
        """
        x = self.embed(x)
        place = self.place
        if x.shape[-2:] != place.shape[-2:]:
            place = F.interpolate(place, x.shape[-2:], mode="bicubic", align_corners=False)
        if mask is not None:
            chosen = mask.view(len(x), 1, *x.shape[-2:])
            x = torch.where(chosen, self.masked.view(1, -1, 1, 1), x)
        x = (x + place).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(len(x), -1, -1), x], dim=1)
        return self.norm(self.blocks(x))

    def forward(self, x):
        """Features of the class token, shape (n, dim)."""
        return self.tokens(x)[:, 0]


ENCODERS = {
    "mlp": MLPEncoder,
    "conv": SmallConv,
    "placed_conv": partial(SmallConv, dim=64, pooled=False),
    "conv_64": partial(SmallConv, dim=64),
    "resnet18": ResNet18,
    "vit": ViTTiny,
}
