"""Methods that know a callable and nothing of transport."""
