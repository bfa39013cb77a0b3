"""HPACK's Huffman code (RFC 7541, appendix B), read a byte at a time by steps that are worked out when first met."""

from __future__ import annotations

_LENGTHS = (  # bits of each byte's code, and at last of the end mark's: A is 5, Z is 30
    "ISXXXXXXXTZXXZXXXXXXXXZXXXXXXXXXBFFHIBDGFFDGDBBBAAABBBBBBBCDKBHFIBCCCCCCCCCCCCCCCCCCCCCCDCDIOIJB"
    "KABABABBBACCBBBABCBAABCCCCCKGJIXPRPPRRRSRSSSSSTSTTRSTSSSSQRSRSSTRQPRRSSQSRRTQRSSQQRQSRSSPRRRSRRSVVPO"
    "RSRUVVVWWVTUOQVWWVWTQQVVXWWWPTPQRQQSRRUUTTVSVWVVWWWWWXWWWWWVZ"
)
_END = 256
_LONGEST_PADDING = 7


class Malformed(Exception):
    """What came is no Huffman code, or goes on after its end."""


class _Node:
    """A place in the tree of codes; ``steps``: for each byte met here, the next place and the bytes that it ends."""

    __slots__ = ("may_end", "ones", "steps", "zero")

    def __init__(self) -> None:
        self.zero: _Node | int | None = None
        self.ones: _Node | int | None = None
        self.may_end = False
        self.steps: dict[int, tuple[_Node, bytes]] = {}


def decode(data: bytes) -> bytes:
    """The plain bytes; at least 5 bits stand for each, so that little can't become much."""
    node, found = _ROOT, []
    for byte in data:
        step = node.steps.get(byte) or _step(node, byte)
        node = step[0]
        found.append(step[1])
    if not node.may_end:
        raise Malformed("a Huffman code breaks off")
    return b"".join(found)


def _step(start: _Node, byte: int) -> tuple[_Node, bytes]:
    node, found = start, bytearray()
    for shift in range(7, -1, -1):
        after = node.ones if byte >> shift & 1 else node.zero
        if isinstance(after, _Node):
            node = after
        elif after is None or after == _END:
            raise Malformed("a Huffman code that stands for nothing")
        else:
            found.append(after)
            node = _ROOT
    start.steps[byte] = node, bytes(found)
    return start.steps[byte]


def _tree() -> _Node:
    """The code is canonical: shorter before longer, and among equally long ones in the order of the bytes."""
    root, code, length = _Node(), 0, 0
    lengths = [ord(letter) - ord("A") + 5 for letter in _LENGTHS]
    for symbol in sorted(range(_END + 1), key=lambda number: (lengths[number], number)):
        code <<= lengths[symbol] - length
        length = lengths[symbol]
        _plant(root, code, length, symbol)
        code += 1
    node: _Node | int | None = root
    for _ in range(_LONGEST_PADDING + 1):
        assert isinstance(node, _Node)  # noqa: S101 - the end mark is 30 bits of ones
        node.may_end, node = True, node.ones
    return root


def _plant(root: _Node, code: int, length: int, symbol: int) -> None:
    node = root
    for shift in range(length - 1, -1, -1):
        side = "ones" if code >> shift & 1 else "zero"
        if shift == 0:
            setattr(node, side, symbol)
            return
        if getattr(node, side) is None:
            setattr(node, side, _Node())
        node = getattr(node, side)


_ROOT = _tree()
