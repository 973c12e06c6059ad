"""RNG Seed: the fields of its request and response payloads."""

from protocol.schema import structure
from protocol.structures import DataReference


@structure
class RNGSeedRequest:
    """KMIP 1.4 §4.36, 2.1 §6.1.50."""

    data: DataReference


@structure
class RNGSeedResponse:
    """KMIP 1.4 §4.36, 2.1 §6.1.50. How many bytes were used."""

    data_length: int
