"""Pictures that are not read here, known by their first bytes, so that their sender is told what to send. Pure."""

from __future__ import annotations

from mlserve.runtime.protocols.base import UnsupportedMedia

_BEGINS = {b"GIF87a": "GIF", b"GIF89a": "GIF", b"II*\0": "TIFF", b"MM\0*": "TIFF"}
_BRANDS = {b"ftypheic": "HEIC", b"ftypheix": "HEIC", b"ftypmif1": "HEIC", b"ftypavif": "AVIF"}


def unread(body: bytes) -> str:
    """What kind of picture it is, where that is one that is not read; ``""``: none."""
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        return "WebP"
    if body[:2] == b"BM" and int.from_bytes(body[2:6], "little") == len(body):
        return "BMP"  # two letters alone say too little
    begun = next((kind for mark, kind in _BEGINS.items() if body.startswith(mark)), "")
    return begun or _BRANDS.get(bytes(body[4:12]), "")


def refusal(body: bytes) -> UnsupportedMedia | None:
    """What its sender is told; None: it begins as none of them does."""
    kind = unread(body)
    said = f"the body is a {kind} picture, which is not read here; send image/png or image/jpeg"
    return UnsupportedMedia(said) if kind else None
