"""Coverage-guided fuzzing of the decoders.

    python -m tests.fuzz.decode [--every=N] [libFuzzer options, corpus directories]

Needs atheris. With all seeds it takes a minute to begin, with one of N it does not. Without a corpus directory it
begins with the seeds and keeps nothing but what fails.
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
    every, options = seeds.options(sys.argv[1:])
    corpus = seeds.anything_to_decode(every)

    def mutate(data: bytes, maximum: int, seed: int) -> bytes:
        rng = random.Random(seed)
        if rng.random() < 0.3:
            return bytes(atheris.Mutate(data, maximum))
        return mutation.mutate(data, corpus, rng)[:maximum]

    with tempfile.TemporaryDirectory() as directory:
        instrument.made_code(corpus)
        seeds.write(corpus, Path(directory))
        limits = [f"-max_len={MAXIMUM}", "-timeout=10", "-rss_limit_mb=2048"]
        atheris.Setup([sys.argv[0], *limits, *options, directory], targets.decode_anything, custom_mutator=mutate)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
