"""Transport problems, one function a file."""
