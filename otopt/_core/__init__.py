"""Problems, statuses and options: data that every other room may read."""
