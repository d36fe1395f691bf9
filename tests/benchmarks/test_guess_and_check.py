"""The benchmark of guess-and-check: its baseline is the network that otopt means."""

import numpy as np
import torch

from benchmarks.guess_and_check import grouped
from otopt.optimize import networks


def test_grouped_networks_are_ours():
    net = networks.LeNet(width=1 / 3, side=16, channels=2, classes=3)
    X = np.random.default_rng(0).normal(size=(5, 512)).astype(np.float32)
    y = np.array([0, 1, 2, 0, 1])
    thetas = np.stack([net.draw(1, i) for i in range(4)])
    layers = grouped.from_theta(net, torch.from_numpy(thetas))
    z = grouped.lenet_logits(layers, torch.from_numpy(X).reshape(5, 2, 16, 16))
    losses = grouped.normalised_losses(layers, z, torch.from_numpy(y), 3)
    for i, theta in enumerate(thetas):
        expected = net.logits(theta, X)
        np.testing.assert_allclose(z[:, i], expected, atol=1e-5 * np.abs(expected).max())
        np.testing.assert_allclose(losses[i], net.loss(theta, X, y), rtol=1e-5)
    assert grouped.fitting(z, z.argmax(dim=2)[:, 0])[0]


def test_both_forms_of_the_linear_baseline_agree():
    torch.manual_seed(0)
    layers = grouped.draw_linear(7, 20, 2)
    x = torch.randn(3, 20)
    torch.testing.assert_close(
        grouped.linear_logits(layers, x), grouped.linear_logits_by_network(layers, x)
    )
