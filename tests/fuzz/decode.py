"""Coverage-guided fuzzing of the decoders: python -m tests.fuzz.decode [libFuzzer options, corpus directories].

Needs atheris (the extra `fuzz`). Without a corpus directory it begins with the seeds and keeps nothing but what fails.
"""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["protocol"]):
    from tests.fuzz import instrument, mutation, seeds, targets

MAXIMUM = 1 << 16


def main() -> None:
    corpus = seeds.anything_to_decode()

    def mutate(data: bytes, maximum: int, seed: int) -> bytes:
        rng = random.Random(seed)
        if rng.random() < 0.3:
            return bytes(atheris.Mutate(data, maximum))
        return mutation.mutate(data, corpus, rng)[:maximum]

    with tempfile.TemporaryDirectory() as directory:
        instrument.made_code(corpus)
        seeds.write(corpus, Path(directory))
        options = [f"-max_len={MAXIMUM}", "-timeout=10", "-rss_limit_mb=2048", *sys.argv[1:], directory]
        atheris.Setup([sys.argv[0], *options], targets.decode_anything, custom_mutator=mutate)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
