"""What all functions on networks refuse."""

from .models import Network

__all__ = ["check_network"]


def check_network(function, net):
    """Refuse what is no network."""
    if not isinstance(net, Network):
        message = f"{function}: `net` must be a network, Linear or LeNet; got {type(net).__name__}."
        raise TypeError(message)
