"""Protocol versions."""

from typing import Final, NamedTuple


class ProtocolVersion(NamedTuple):
    """A KMIP version; compares as a number pair. KMIP 2.1 §9.16."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


V1_0: Final = ProtocolVersion(1, 0)
V1_1: Final = ProtocolVersion(1, 1)
V1_2: Final = ProtocolVersion(1, 2)
V1_3: Final = ProtocolVersion(1, 3)
V1_4: Final = ProtocolVersion(1, 4)
V2_0: Final = ProtocolVersion(2, 0)
V2_1: Final = ProtocolVersion(2, 1)

SUPPORTED: Final = (V2_1, V2_0, V1_4, V1_3, V1_2, V1_1, V1_0)  # newest first, as Discover Versions answers
