"""What the segments before the first scan of a JPEG say of how it is to be decoded.

They are walked through one by one, which is nothing beside a search through all bytes: that took a twentieth of what
decoding does, with the interpreter's lock held.
"""

from dataclasses import dataclass

LENGTHS = 2
"""Bytes of a segment's length, which counts itself."""
SCAN = 0xDA
SEQUENTIAL = (0xC0, 0xC1)
"""Frames whose components are complete after one scan."""
EXIF_SEGMENT, EXIF = 0xE1, b"Exif\x00\x00"
PASSED_OVER = {*range(0xE0, 0xF0), 0xC2, 0xC4, 0xDB, 0xDD, 0xFE}
"""Application data, a progressive frame, tables and comments; anything else is for the decoder to understand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JpegMarkers:
    """What is known of a file. One that was not understood may have any number of scans, and EXIF anywhere."""

    one_scan: bool
    """The first scan is the whole picture, and a decoder takes no other."""
    exif: bool


def read_markers(data: bytes) -> JpegMarkers:
    """Of a file that begins with a JPEG's signature; never raises."""
    components, exif, place = 0, False, 2
    try:
        while data[place] == 0xFF:
            marker, begin = data[place + 1], place + 2 + LENGTHS
            length = data[place + 2] << 8 | data[place + 3]
            if length < LENGTHS:
                break
            if marker == SCAN:
                return JpegMarkers(one_scan=data[begin] == components, exif=exif)
            if marker in SEQUENTIAL:
                components = data[begin + 5]  # after the precision, the height and the width
            elif marker == EXIF_SEGMENT:
                exif = exif or data.startswith(EXIF, begin)
            elif marker not in PASSED_OVER:
                break
            place = begin + length - LENGTHS
    except IndexError:  # cut short
        pass
    return JpegMarkers(one_scan=False, exif=EXIF in data)
