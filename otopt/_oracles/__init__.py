"""Value, gradient and curvature of each dual: the mathematics, written once for all kernels."""
