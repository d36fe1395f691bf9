"""The networks of PsCo: online and momentum, their heads, and what they do with a task."""

import copy

import torch
from torch import nn
from torch.nn import functional as F

from ml_apps.ssl import fewshot, models, optim, terms
from ml_apps.ssl._check import labels, positive

__all__ = ["Heads", "PsCoNetwork", "adapt"]


class Heads(nn.Module):
    """Projector and predictor on top of features.

    Parameters
    ----------
    dim : int
        Of the features.
    widths : sequence of int
        Hidden layers and embedding of the projector; the predictor has the same.

    Examples
    --------
    >>> import torch
    >>> from ml_apps.ssl.psco import Heads
    >>> heads = Heads(8, (16, 4))
    >>> embeddings = heads.projector(torch.randn(5, 8))
    >>> embeddings.shape, heads.predictor(embeddings).shape
    (torch.Size([5, 4]), torch.Size([5, 4]))
    """

    def __init__(self, dim, widths):
        super().__init__()
        out = widths[-1]
        # The paper's projector ends in a batch norm without parameters, its predictor in none.
        self.projector = nn.Sequential(
            models.projector(dim, widths), nn.BatchNorm1d(out, affine=False)
        )
        self.predictor = models.projector(out, widths)

    def shots(self, features):
        """Embeddings of labelled images: the projector's, of norm 1.

        Parameters
        ----------
        features : Tensor, shape (n, dim)

        Returns
        -------
        Tensor, shape (n, d)
        """
        return F.normalize(self.projector(features), dim=1)

    def queries(self, features):
        """Embeddings of images to be classified: the predictor's, of norm 1.

        Parameters
        ----------
        features : Tensor, shape (n, dim)

        Returns
        -------
        Tensor, shape (n, d)
        """
        return F.normalize(self.predictor(self.projector(features)), dim=1)

    @torch.no_grad()
    def classify(self, support, support_labels, query):
        """Class of the nearest prototype: `query` as queries, `support` as shots.

        Parameters
        ----------
        support : Tensor, shape (s, dim)
        support_labels : Tensor of int, shape (s,)
        query : Tensor, shape (q, dim)

        Returns
        -------
        Tensor of int, shape (q,)
        """
        return fewshot.nearest_prototype(self.shots(support), support_labels, self.queries(query))


class PsCoNetwork(nn.Module):
    """An online network, and a momentum network that embeds what is matched.

    Parameters
    ----------
    encoder : nn.Module
        With the dimension of its features as `dim`.
    widths : sequence of int
        Of the heads.
    loss : nn.Module
        `PsCoLoss`: called with predictions of the strong and momentum embeddings of the weak views.
    momentum : float
        Of the momentum network, in [0, 1].

    Examples
    --------
    >>> import torch
    >>> from ml_apps.ssl import models
    >>> from ml_apps.ssl.losses import PsCoLoss
    >>> from ml_apps.ssl.psco import PsCoNetwork
    >>> from ml_apps.ssl.queue import MomentumQueue
    >>> loss = PsCoLoss(MomentumQueue(16, 4), num_shots=2)
    >>> network = PsCoNetwork(models.MLPEncoder(1, 8, dim=16), (16, 4), loss)
    >>> strong, weak = torch.randn(2, 6, 1, 8, 8)
    >>> network((strong, weak)).shape, network.features(weak).shape
    (torch.Size([]), torch.Size([6, 16]))
    """

    def __init__(self, encoder, widths, loss, *, momentum=0.99):
        super().__init__()
        if not 0 <= momentum <= 1:
            raise ValueError(f"PsCoNetwork: momentum must be in [0, 1]; got {momentum!r}")
        self.encoder, self.heads, self.criterion = encoder, Heads(encoder.dim, widths), loss
        self.momentum = momentum
        self.average = copy.deepcopy(self._embedder()).requires_grad_(False)

    def _embedder(self):
        return nn.Sequential(self.encoder, self.heads.projector)

    def forward(self, views):
        """Value of the loss on a strong and a weak view."""
        strong, weak = views
        with torch.no_grad():
            embeddings = self.average(weak)
        predictions = self.heads.predictor(self.heads.projector(self.encoder(strong)))
        return self.criterion(predictions, embeddings)

    def after_step(self, share):
        """Move the momentum network; its momentum stays the same all along."""
        del share
        optim.ema_update(self.average, self._embedder(), self.momentum)

    def features(self, x):
        """What is evaluated: features of the online encoder, shape (n, dim)."""
        return self.encoder(x)


@torch.enable_grad()
def adapt(
    heads, support, support_labels, *, temperature=1.0, steps=50, lr=0.01, momentum=0.9,
    weight_decay=1e-3, batch_statistics=True,
):  # fmt: skip
    """Fit a copy of the heads to the shots of a task; the encoder stays as it is.

    Momentum SGD on the supervised contrast of queries and shots, each shot being both: row i is
    drawn to all shots of its class, itself included.

    Parameters
    ----------
    heads : Heads
        Left as they are.
    support : Tensor, shape (s, dim)
        Features of the shots, s >= 2.
    support_labels : Tensor of int, shape (s,)
    temperature : float
        > 0.
    steps : int
    lr, momentum, weight_decay : float
        Of SGD.
    batch_statistics : bool
        Whether batch norms use, and remember, the statistics of the shots, as in the authors'
        code; these are few. Otherwise those of the training.

    Returns
    -------
    Heads
        In evaluation mode.

    Raises
    ------
    ValueError
        If labels are missing, or there are less than two shots.

    Examples
    --------
    >>> import torch
    >>> from ml_apps.ssl.psco import Heads, adapt
    >>> _ = torch.manual_seed(0)
    >>> heads, shots = Heads(4, (16, 8)), torch.eye(4)
    >>> adapted = adapt(heads, shots, torch.tensor([0, 0, 1, 1]))
    >>> adapted is heads, adapted.training
    (False, False)
    """
    labels("adapt", "support_labels", support_labels, len(support))
    positive("adapt", temperature=temperature)
    if len(support) < 2:
        raise ValueError(f"adapt: support must hold at least 2 shots; got {len(support)}")
    support = support.detach()
    heads = copy.deepcopy(heads).train(batch_statistics)
    optimizer = torch.optim.SGD(
        heads.parameters(), lr, momentum=momentum, weight_decay=weight_decay
    )
    positives = support_labels[:, None] == support_labels
    for _ in range(steps):
        embedded = heads.projector(support)  # once: a batch norm in training mode counts its calls
        queries = F.normalize(heads.predictor(embedded), dim=1)
        logits = queries @ F.normalize(embedded, dim=1).T / temperature
        optimizer.zero_grad(set_to_none=True)
        terms.supervised_contrast(logits, positives).backward()
        optimizer.step()
    return heads.eval()
