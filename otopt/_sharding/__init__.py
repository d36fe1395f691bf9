"""One problem on many processes: each holds columns of the cost, all take the same steps."""
