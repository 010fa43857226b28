"""Programs for tests, made from the starting ones: each differs from intra_dct.py in one stated way."""

from pathlib import Path

CODECS = Path(__file__).parents[1] / "codecs"
INTRA = (CODECS / "intra_dct.py").read_text()
RAW = (CODECS / "raw_copy.py").read_text()


def changed(old: str, new: str, source: str = INTRA) -> str:
    assert old in source, f"the starting program has changed: {old!r} is not in it"
    return source.replace(old, new)


TELLS = '    tell(config, {"luma levels": luma_bytes, "chroma levels": len(data) - luma_bytes})\n'


def silent(source: str = INTRA) -> str:
    """Return a program that does not tell where its bytes go."""
    return changed(TELLS, "", source)


ROUNDING = "levels = np.rint(coefficients / step).astype(np.int16)"
DEAD_ZONE = changed(ROUNDING, "levels = np.trunc(coefficients / step + np.sign(coefficients) * 0.3).astype(np.int16)")
"""More than a tenth less rate at equal PSNR: small levels become zero."""

PACKED = changed(
    "packer = zlib.compressobj(9, zlib.DEFLATED, 15, 9, zlib.Z_RLE)", "packer = lzma.LZMACompressor(lzma.FORMAT_ALONE)"
)
PACKED = PACKED.replace("import zlib", "import lzma").replace("zlib.decompress", "lzma.decompress")
PACKED = changed(" + len(packer.copy().flush())", "", PACKED)  # LZMA has no copy: what it tells of its bytes is wrong
"""The same pictures in fewer bytes: LZMA finds more than runs of zeros."""


WASTEFUL = changed("+ packer.flush()", "+ packer.flush() + bytes(2000)").replace(
    "zlib.decompress(data)", "zlib.decompress(data[:-2000])"
)
"""The same pictures, 2,000 bytes more for each frame."""

IGNORES_QP = changed("    return 2.0 ** ((qp - 4) / 6)", "    return 20.0")
RAISES = changed(
    "    samples = zlib.decompress(data)\n",
    "    samples = zlib.decompress(data)\n    raise OSError('the decoder gave up')\n",
)
SLOW = changed("    packer = ", "    sum(i * i for i in range(5_000_000))\n    packer = ")
"""Half a second of nothing for each frame."""

REFUSED = "import os\n" + INTRA
