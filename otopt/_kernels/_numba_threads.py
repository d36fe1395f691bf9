"""Run the parts of a compiled function in threads; it must not hold the interpreter's lock."""

from concurrent.futures import ThreadPoolExecutor


def in_threads(workers, function, parts, *args):
    """``function(first, last, parts, *args)`` over all parts; they write to different places."""
    if workers == 1 or parts == 1:
        function(0, parts, parts, *args)
        return
    with ThreadPoolExecutor(min(workers, parts)) as pool:
        list(pool.map(lambda w: function(w, w + 1, parts, *args), range(parts)))
