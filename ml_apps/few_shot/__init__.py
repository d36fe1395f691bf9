"""Does generalisation need gradients? Networks from few examples, with and without them."""
