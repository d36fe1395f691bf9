"""emd and assignment beside POT, scipy and lap, on a grid of problems."""
