"""What all losses of two views share."""

from torch import nn

from ml_apps.ssl import processes
from ml_apps.ssl._check import views

__all__ = ["TwoViewLoss"]


class TwoViewLoss(nn.Module):
    """A weighted sum of terms of two views; subclasses write `_terms`."""

    def __init__(self, *, gather_distributed=False):
        super().__init__()
        self.gather_distributed = gather_distributed

    def forward(self, z_a, z_b):
        """Value of the loss.

        Parameters
        ----------
        z_a, z_b : Tensor, shape (n, d)
            Embeddings of two views; row i of both comes from image i.

        Returns
        -------
        Tensor, shape ()
        """
        return self.components(z_a, z_b).total

    def components(self, z_a, z_b):
        """The loss and its terms, without their weights.

        Parameters
        ----------
        z_a, z_b : Tensor, shape (n, d)
            Embeddings of two views; row i of both comes from image i.

        Returns
        -------
        NamedTuple of Tensor
            `total` first.

        Raises
        ------
        ValueError
            If these are not two floating-point matrices of one shape with at least two rows.
        """
        views(type(self).__name__, z_a, z_b)
        z_a, z_b = (processes.gather(z, active=self.gather_distributed) for z in (z_a, z_b))
        return self._terms(z_a, z_b)

    def _terms(self, z_a, z_b):
        raise NotImplementedError
