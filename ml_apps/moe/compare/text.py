"""The standard library's own source as text: it is on every machine that runs this."""

from __future__ import annotations

import functools
import os
import sysconfig
import zlib
from pathlib import Path

import torch

__all__ = ["VOCABULARY", "batches", "load_text"]

VOCABULARY = 96  # printable ASCII and the newline; tabs become spaces
SKIPPED = {"site-packages", "test", "tests", "idlelib", "lib2to3", "encodings", "__pycache__"}
HELD_OUT = 13  # one file in so many


@functools.cache
def load_text(limit=None):
    """Characters to train on and held-out ones, int64 in 0..95; files are held out by name."""
    root = Path(sysconfig.get_path("stdlib"))
    files = []
    for folder, below, names in os.walk(root):
        below[:] = sorted(set(below) - SKIPPED)  # not entered: site-packages can be large
        files += [Path(folder, name) for name in names if name.endswith(".py")]
    files.sort()
    parts = {False: [], True: []}
    total = 0
    for file in files:
        name = file.relative_to(root).as_posix()
        held_out = zlib.crc32(name.encode()) % HELD_OUT == 0
        raw = file.read_bytes().replace(b"\r\n", b"\n").replace(b"\t", b"    ")
        parts[held_out].append(raw)
        total += len(raw)
        if limit and total > limit:
            break
    return tuple(_encode(b"".join(parts[which])) for which in (False, True))


def _encode(raw):
    codes = torch.frombuffer(bytearray(raw), dtype=torch.uint8)
    kept = codes[(codes == 10) | ((codes >= 32) & (codes < 127))].long()
    return torch.where(kept == 10, 95, kept - 32)


def batches(text, count, size, length, seed):
    """So many batches (size, length + 1) from random places, the same for a seed."""
    generator = torch.Generator().manual_seed(seed)
    starts = torch.randint(len(text) - length - 1, (count, size), generator=generator)
    return text[starts[..., None] + torch.arange(length + 1)]
