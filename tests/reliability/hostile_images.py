"""Image files that nobody means well: mutated ones, and bombs. Deterministic: number n is always the same file."""

import io
import random
import struct
import zlib
from collections.abc import Iterator
from functools import cache

from PIL import Image

KINDS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
SIZES = ((12, 8), (40, 30), (1, 1), (97, 3))
MODES = {"JPEG": ("RGB", "L", "CMYK"), "PNG": ("RGB", "RGBA", "P", "L", "I;16"), "WEBP": ("RGB", "RGBA"), "GIF": ("P",)}
INTERESTING = (0x00, 0x01, 0x7F, 0x80, 0xFF)


def seeds() -> list[bytes]:
    """Good files of every format, in several sizes and modes."""
    files = []
    for kind in KINDS:
        for number, size in enumerate(SIZES):
            modes = MODES.get(kind, ("RGB",))
            picture = Image.effect_noise(size, 80)
            mode = modes[number % len(modes)]
            picture = picture.convert("I").convert("I;16") if mode == "I;16" else picture.convert(mode)
            buffer = io.BytesIO()
            options = {"progressive": True} if kind == "JPEG" and number % 2 else {}
            picture.save(buffer, kind, **options)
            files.append(buffer.getvalue())
    return files


def mutated(count: int, *, seed: int = 0) -> Iterator[bytes]:
    """Bits flipped, bytes replaced, parts cut out, doubled, moved between files, ends cut off and added."""
    files = seeds()
    for number in range(count):
        chance = random.Random(seed * 1_000_003 + number)
        data = bytearray(files[number % len(files)])
        for _ in range(chance.choice((1, 1, 2, 4, 16))):
            _mutate(data, chance, files)
        yield bytes(data)


def _mutate(data: bytearray, chance: random.Random, files: list[bytes]) -> None:
    at = chance.randrange(max(1, len(data))) if chance.random() < 0.6 else chance.randrange(min(64, len(data)) or 1)
    length = chance.choice((1, 2, 4, 16, 64))
    match chance.randrange(8):
        case 0 if data:
            data[at % len(data)] ^= 1 << chance.randrange(8)
        case 1 if data:
            data[at % len(data)] = chance.choice(INTERESTING)
        case 2:
            data[at : at + 4] = struct.pack(
                chance.choice("<>") + "I", chance.choice((0, 1, 2**16, 2**31 - 1, 2**32 - 1))
            )
        case 3:
            del data[at : at + length]
        case 4:
            data[at:at] = data[at : at + length] * chance.choice((1, 2, 50))
        case 5:
            other = chance.choice(files)
            begin = chance.randrange(len(other))
            data[at:at] = other[begin : begin + length]
        case 6:
            del data[at:]
        case _:
            data += chance.randbytes(length)


def bombs() -> list[bytes]:
    """A hundred small files that would fill the memory or keep a core busy if they were believed."""
    files = []
    for number in range(10):
        more = 1000 * number
        files += [
            png(30_000 + more, 30_000),
            png(65_500 + more, 1),
            png(2**31 - 1 - more, 2**31 - 1),
            gif(65_535 - more, 65_535),
            bmp(40_000 + more, 40_000),
            bmp(2**31 - 1 - more, -(2**31) + 1),
            webp_canvas(16_777_216 - more, 256),
            webp_lossless(16_384 - number, 16_384),
            jpeg(65_500 - more, 65_500),
            many_scans(200 + 100 * number),
        ]
    return files


def png(width: int, height: int, *, body: bytes = b"") -> bytes:
    """A header, and rows that inflate to as much as they like: zeros compress a thousandfold."""
    rows = body or _zeros() * 4
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", rows), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, content) for name, content in chunks)


@cache
def _zeros() -> bytes:
    return zlib.compress(bytes(2**22), 9)


def text_bomb(texts: int, *, inflated: int) -> bytes:
    """A small picture with compressed texts that inflate to `inflated` bytes each."""
    head = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    text = b"comment\x00\x00" + zlib.compress(bytes(inflated), 9)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", head)
        + _chunk(b"zTXt", text) * texts
        + _chunk(b"IDAT", zlib.compress(b"\x00\x00"))
        + _chunk(b"IEND", b"")
    )


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def gif(width: int, height: int) -> bytes:
    screen = struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    frame = b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x4c\x01\x00;"
    return b"GIF89a" + screen + frame


def bmp(width: int, height: int) -> bytes:
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + 1024, 0, 0, 54) + info + bytes(1024)


def webp_canvas(width: int, height: int) -> bytes:
    """An extended file whose canvas is far larger than its one frame."""
    extended = struct.pack("<B3x", 0x02) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return _riff(b"VP8X" + struct.pack("<I", 10) + extended)


def webp_lossless(width: int, height: int) -> bytes:
    bits = (width - 1) | (height - 1) << 14
    return _riff(b"VP8L" + struct.pack("<IBI", 64, 0x2F, bits) + bytes(59))


def _riff(body: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def jpeg(width: int, height: int) -> bytes:
    """A small picture whose frame header says another size."""
    data = bytearray(_encoded_jpeg())
    at = next(at for at in range(len(data) - 9) if data[at] == 0xFF and data[at + 1] in {0xC0, 0xC2})
    data[at + 5 : at + 9] = struct.pack(">HH", height & 0xFFFF, width & 0xFFFF)
    return bytes(data)


def many_scans(more: int) -> bytes:
    """A progressive picture whose last scan comes again and again."""
    data = _encoded_jpeg(progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + scan * more + data[-2:]


def _encoded_jpeg(*, progressive: bool = False) -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((16, 16), 80).convert("RGB").save(buffer, "JPEG", progressive=progressive)
    return buffer.getvalue()
