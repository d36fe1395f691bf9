"""Two views of a batch of images, on the device that trains: plain torch, a batch at a time.

Crop, flip and rotation are one affine map and one `grid_sample`; brightness, contrast, saturation
and hue are one 3 x 3 colour matrix with an offset. Hue turns in YIQ, not in HSV: cheaper, and not
pixel for pixel what torchvision does.
"""

import math
from typing import NamedTuple

import torch
from torch.nn import functional as F

__all__ = ["AUGMENTATIONS", "Augmentation", "multi_crop", "strong_and_weak", "two_view"]

# Luma, and the matrix to YIQ and back.
YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])


class Augmentation(NamedTuple):
    """Strengths; 0 turns a part off.

    Attributes
    ----------
    scale : tuple of float
        Smallest and largest share of the area that a crop keeps.
    ratio : float
        Crops are up to so much wider than high, or higher than wide; >= 1.
    flip : float
        Probability of a horizontal flip: 0 where left and right matter, as for digits.
    rotation : float
        Degrees to either side.
    jitter : tuple of float
        Brightness, contrast, saturation, hue, as shares; hue of a full turn.
    jitter_probability, grey, blur, solarize, noise : float
        Probabilities of colour jitter, of losing colour, of a Gaussian blur and of inverting bright
        pixels; standard deviation of noise.
    """

    scale: tuple = (0.3, 1.0)
    ratio: float = 4 / 3
    flip: float = 0.5
    rotation: float = 0.0
    jitter: tuple = (0.4, 0.4, 0.2, 0.1)
    jitter_probability: float = 0.8
    grey: float = 0.2
    blur: float = 0.0
    solarize: float = 0.0
    noise: float = 0.0


AUGMENTATIONS = {
    "digits": Augmentation(
        scale=(0.5, 1.0), flip=0.0, rotation=15.0, jitter=(0.3, 0.3, 0, 0), grey=0.0, noise=0.1
    ),
    "grey": Augmentation(scale=(0.4, 1.0), rotation=10.0, jitter=(0.3, 0.3, 0, 0), grey=0.0),
    "colour": Augmentation(scale=(0.2, 1.0)),
}


def two_view(images, augmentation, *, generator, size=None):
    """Two independent random views of every image.

    Parameters
    ----------
    images : Tensor, shape (n, 1 or 3, h, w)
        In [0, 1].
    augmentation : Augmentation
    generator : torch.Generator
        On the device of `images`.
    size : int, optional
        Side of the views; that of the images by default.

    Returns
    -------
    tuple of two Tensor, shape (n, c, size, size)
    """
    return tuple(view(images, augmentation, generator=generator, size=size) for _ in range(2))


def strong_and_weak(images, augmentation, *, generator, size=None):
    """A random view of every image, and one that is cropped and flipped only.

    Parameters
    ----------
    images : Tensor, shape (n, 1 or 3, h, w)
        In [0, 1].
    augmentation : Augmentation
        Of the strong view.
    generator : torch.Generator
        On the device of `images`.
    size : int, optional
        Side of the views; that of the images by default.

    Returns
    -------
    tuple of two Tensor, shape (n, c, size, size)
        The strong view first.
    """
    kept = {name: getattr(augmentation, name) for name in ("scale", "ratio", "flip")}
    weak = Augmentation(**kept, jitter=(0, 0, 0, 0), jitter_probability=0, grey=0)
    return tuple(
        view(images, strength, generator=generator, size=size) for strength in (augmentation, weak)
    )


def multi_crop(images, augmentation, *, generator, local=6, local_size=None, split=0.4):
    """Two global views and `local` smaller ones of small crops.

    Parameters
    ----------
    images : Tensor, shape (n, 1 or 3, h, w)
        In [0, 1].
    augmentation : Augmentation
    generator : torch.Generator
        On the device of `images`.
    local : int
        Number of local views.
    local_size : int, optional
        Their side; half of the images' by default.
    split : float
        Share of the area above which crops are global and below which they are local.

    Returns
    -------
    list of Tensor
        The two global views first.
    """
    low = min(0.05, split / 2)
    globally = augmentation._replace(scale=(split, 1.0))
    locally = augmentation._replace(scale=(low, split))
    size = local_size or images.shape[-1] // 2
    return [
        *two_view(images, globally, generator=generator),
        *(view(images, locally, generator=generator, size=size) for _ in range(local)),
    ]


def view(images, augmentation, *, generator, size=None):
    """One random view of every image; see `two_view`."""
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise ValueError(
            f"two_view: images must have shape (n, 1 or 3, h, w); got {tuple(images.shape)}"
        )
    n, size = len(images), size or images.shape[-1]

    def uniform(low, high, *shape):
        u = torch.rand(n, *shape, generator=generator, device=images.device)
        return low + (high - low) * u

    x = _crop(images, augmentation, uniform, size)
    x = _colour(x, augmentation, uniform)
    if augmentation.blur:
        x = _blur(x, torch.where(uniform(0, 1) < augmentation.blur, uniform(0.1, 2.0), 0.0))
    if augmentation.solarize:
        chosen = (uniform(0, 1) < augmentation.solarize)[:, None, None, None]
        x = torch.where(chosen & (x > 0.5), 1 - x, x)
    if augmentation.noise:
        x = x + augmentation.noise * torch.randn(
            x.shape, generator=generator, device=x.device, dtype=x.dtype
        )
    return x


def _crop(images, augmentation, uniform, size):
    area = uniform(*augmentation.scale)
    stretch = torch.exp(uniform(-1, 1) * math.log(augmentation.ratio) / 2)
    width, height = (area.sqrt() * s for s in (stretch, 1 / stretch))
    width, height = width.clamp_max(1), height.clamp_max(1)
    angle = uniform(-1, 1) * math.radians(augmentation.rotation)
    side = torch.where(uniform(0, 1) < augmentation.flip, -1.0, 1.0)
    cos, sin = angle.cos(), angle.sin()
    theta = torch.stack(
        [
            torch.stack([side * width * cos, -height * sin, uniform(-1, 1) * (1 - width)], 1),
            torch.stack([side * width * sin, height * cos, uniform(-1, 1) * (1 - height)], 1),
        ],
        dim=1,
    ).to(images.dtype)
    shape = (len(images), images.shape[1], size, size)
    grid = F.affine_grid(theta, shape, align_corners=False)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def _colour(x, augmentation, uniform):
    brightness, contrast, saturation, hue = augmentation.jitter
    chosen = uniform(0, 1) < augmentation.jitter_probability

    def factor(strength):
        return torch.where(chosen, 1 + strength * uniform(-1, 1), 1.0)

    gain, spread = factor(brightness), factor(contrast)
    if x.shape[1] == 1:
        scale, mean = gain * spread, x.mean(dim=(1, 2, 3)) * gain
        return scale.view(-1, 1, 1, 1) * x + (mean * (1 - spread)).view(-1, 1, 1, 1)
    to_yiq = YIQ.to(x)
    saturated = factor(saturation)
    grey = uniform(0, 1) < augmentation.grey
    saturated = torch.where(grey, 0.0, saturated)
    turn = torch.where(chosen, uniform(-1, 1) * hue * 2 * math.pi, 0.0)
    cos, sin = turn.cos() * saturated, turn.sin() * saturated
    one, zero = torch.ones_like(cos), torch.zeros_like(cos)
    inside = torch.stack([one, zero, zero, zero, cos, -sin, zero, sin, cos], 1).view(-1, 3, 3)
    matrix = torch.linalg.inv(to_yiq) @ inside.to(x) @ to_yiq
    matrix = matrix * (gain * spread).view(-1, 1, 1)
    luma = (x.mean(dim=(2, 3)) @ to_yiq[0]) * gain
    offset = (luma * (1 - spread)).view(-1, 1, 1)
    return (matrix @ x.flatten(2) + offset).view_as(x).clamp(0, 1)


def _blur(x, sigma):
    """Separable Gaussian of each image's own width; 0 leaves it."""
    n, c, h, w = x.shape
    reach = torch.arange(-3, 4, device=x.device, dtype=x.dtype)
    kernel = torch.exp(-0.5 * (reach / sigma.clamp_min(1e-3)[:, None]).square()).to(x)
    kernel = (kernel / kernel.sum(dim=1, keepdim=True)).repeat_interleave(c, 0)
    x = F.pad(
        x.reshape(1, n * c, h, w), (3, 3, 3, 3), mode="reflect" if min(h, w) > 3 else "replicate"
    )
    x = F.conv2d(x, kernel[:, None, :, None], groups=n * c)
    return F.conv2d(x, kernel[:, None, None, :], groups=n * c).view(n, c, h, w)
