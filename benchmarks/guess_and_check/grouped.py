"""The published approach, from its description: M random networks as one grouped network.

P.-y. Chiang et al., "Loss landscapes are all you need", ICLR 2023. All parameters of M networks are
drawn anew from U[-1, 1]; the examples are repeated M times along the channels; convolutions have
M groups, dense layers are grouped 1 x 1 convolutions. Every network sees every example.
"""

import torch
import torch.nn.functional as F


def draw_lenet(M, channels, width, side, classes):
    """Weights and biases of M networks, each with the networks in front."""
    C1, C2, F1, F2 = (int(s * width) for s in (6, 16, 120, 84))
    features = C2 * (((side - 4) // 2 - 4) // 2) ** 2
    shapes = ((C1, channels, 5, 5), (C2, C1, 5, 5), (F1, features, 1, 1), (F2, F1, 1, 1),
              (classes, F2, 1, 1))  # fmt: skip
    return [
        (torch.empty(M, *shape).uniform_(-1, 1), torch.empty(M, shape[0]).uniform_(-1, 1))
        for shape in shapes
    ]


def lenet_logits(layers, images):
    """Logits (n, M, classes) for images (n, channels, side, side)."""
    M = len(layers[0][0])
    x = images.repeat(1, M, 1, 1)
    for i, (weight, bias) in enumerate(layers):
        if i == 2:
            x = x.reshape(len(images), -1, 1, 1)
        x = F.conv2d(x, weight.flatten(0, 1), bias.flatten(), groups=M)
        if i < len(layers) - 1:
            x = F.relu(x)
        if i < 2:
            x = F.max_pool2d(x, 2)
    return x.reshape(len(images), M, -1)


def draw_linear(M, inputs, classes):
    return [(torch.empty(M, inputs, classes).uniform_(-1, 1),
             torch.empty(M, classes).uniform_(-1, 1))]  # fmt: skip


def linear_logits(layers, x):
    """Logits (n, M, classes) for x (n, inputs), as published: a product an example and network."""
    ((weight, bias),) = layers
    return torch.matmul(x[:, None, None], weight[None])[:, :, 0] + bias


def linear_logits_by_network(layers, x):
    """The same with one product a network, which reads the weights once."""
    ((weight, bias),) = layers
    return (torch.matmul(x.expand(len(weight), *x.shape), weight) + bias[:, None]).transpose(0, 1)


def normalised_losses(layers, logits, y, scale):
    """Mean cross entropy (M,) of the logits over the product of norms of weights over `scale`."""
    norm = 1.0
    for weight, _ in layers:
        norm = norm * weight.flatten(1).norm(dim=1) / scale
    z = (logits / norm[:, None]).permute(1, 2, 0)
    return F.cross_entropy(z, y.expand(len(z), -1), reduction="none").mean(dim=1)


def fitting(logits, y):
    """Which of the M networks classify every example as y."""
    return (logits.argmax(dim=2) == y[:, None]).all(dim=0)


def from_theta(net, thetas):
    """Layers of LeNets given as rows of parameters (M, P), as `otopt` lays them out."""
    M, layers, start = len(thetas), [], 0
    for name, shape in net.shapes.items():
        size = 1
        for k in shape:
            size *= k
        part = thetas[:, start : start + size].reshape(M, *shape)
        start += size
        if name in ("fc1.weight", "fc2.weight"):
            part = part.transpose(1, 2)
        if name.endswith("weight"):
            layers.append([part if part.ndim == 5 else part[..., None, None]])
        else:
            layers[-1].append(part)
    return layers
