"""What a candidate may use: seconds, memory, bytes."""

from dataclasses import dataclass

from labkit.clip import frame_bytes

REFERENCE_PIXELS = 400 * 240
WALL_FACTOR, WALL_EXTRA_S = 2.0, 5.0


@dataclass(frozen=True)
class Limits:
    """Limits of one candidate; told to the proposer, stored with the campaign.

    Attributes:
        encode_s: CPU seconds a frame of 400x240 to encode; larger frames get more, by their pixels.
        decode_s: the same to decode.
        run_s: CPU seconds that each run gets besides.
        load_cpu_s: CPU seconds to load, compile and warm up.
        memory_mib: address space above that of the imported libraries.
        output_kib: of stdout and stderr that are kept; the rest is dropped.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012  (a class constant that settings read)

    encode_s: float = 1.0
    decode_s: float = 0.2
    run_s: float = 5.0
    load_cpu_s: float = 120.0
    memory_mib: int = 1024
    output_kib: int = 64

    def run_cpu_s(self, operation: str, width: int, height: int, frames: int) -> float:
        """Return the CPU seconds that one run ("encode" or "decode") may use."""
        a_frame = self.encode_s if operation == "encode" else self.decode_s
        return self.run_s + a_frame * frames * max(0.25, width * height / REFERENCE_PIXELS)

    def payload_bytes(self, width: int, height: int, frames: int) -> int:
        """Return the largest payload taken from an encoder: raw samples four times over."""
        return 65536 + 4 * frames * frame_bytes(width, height)


def wall_s(cpu_s: float) -> float:
    """Return the deadline by our clock for work that may use `cpu_s`: sleeping uses no CPU."""
    return WALL_FACTOR * cpu_s + WALL_EXTRA_S
