"""Random, cut, changed and endless HTTP/2: nothing crashes, hangs or grows, and honest clients are served meanwhile."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import hpack as peer
import pytest
from http2_kit import CALL, EMPTY_MESSAGE, Wire
from hypothesis import given, settings
from hypothesis import strategies as st
from runtime_kit import IRIS, Running, serving

from mlserve.errors import InvalidInput
from mlserve.runtime.grpc import wire as protobuf_wire
from mlserve.runtime.grpc.framing import Unframer
from mlserve.runtime.grpc.status import Refused
from mlserve.runtime.http2 import frames, hpack, huffman

SEED = int(os.environ.get("MLSERVE_FUZZ_SEED", "7"))
ROUNDS = int(os.environ.get("MLSERVE_FUZZ_ROUNDS", "300"))


@pytest.fixture(scope="module")
def iris(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with serving(tmp_path_factory.mktemp("iris"), model_path=str(IRIS), max_body=1 << 20) as instance:
        yield instance


def resident(instance: Running) -> int:
    pages = Path(f"/proc/{instance.process.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def honest(wire: Wire, stream: int) -> bytes:
    """A call as it should be."""
    return wire.headers(stream) + wire.data(stream)


def frame(chance: random.Random, wire: Wire) -> bytes:
    """A frame of any kind, mostly with something sensible in it."""
    stream = chance.choice((0, 1, 1, 3, 5, 7, 2, chance.randrange(1 << 31)))
    flags = chance.choice((0, 1, 4, 5, 5, 8, 0x20, 0x2D, chance.randrange(256)))
    kind = chance.choice((0, 0, 1, 1, 2, 3, 4, 6, 7, 8, 9, chance.randrange(256)))
    size = chance.choice((0, 4, 5, 6, 8, chance.randrange(64), chance.randrange(3000)))
    payload = chance.randbytes(size)
    if kind == frames.HEADERS and chance.random() < 0.7:
        payload = wire.encoder.encode(CALL, huffman=chance.random() < 0.5)
    if kind == frames.DATA and chance.random() < 0.5:
        payload = EMPTY_MESSAGE + payload
    length = chance.choice((len(payload),) * 9 + (chance.randrange(1 << 24),))
    return frames.head(length, kind, flags, stream) + payload


def changed(chance: random.Random, data: bytes) -> bytes:
    """The same with some bytes changed, cut, or twice there."""
    out = bytearray(data)
    for _ in range(chance.randrange(1, 5)):
        at = chance.randrange(len(out))
        what = chance.randrange(4)
        if what == 0:
            out[at] = chance.randrange(256)
        elif what == 1:
            del out[at : at + chance.randrange(1, 20)]
        elif what == 2:
            out[at:at] = out[at : at + chance.randrange(1, 50)]
        else:
            out[at] ^= 1 << chance.randrange(8)
        if not out:
            return data
    return bytes(out)


def bodies(chance: random.Random, wire: Wire) -> bytes:
    what = chance.randrange(4)
    if what == 0:
        return b"".join(frame(chance, wire) for _ in range(chance.randrange(1, 30)))
    whole = b"".join(honest(wire, stream) for stream in (1, 3, 5))
    if what == 1:
        return changed(chance, whole)
    if what == 2:
        return whole[: chance.randrange(len(whole))]
    return honest(wire, 1) + chance.randbytes(chance.randrange(200))


def test_no_bytes_at_all_bring_the_server_down(iris: Running) -> None:
    chance = random.Random(SEED)
    before = 0
    for number in range(ROUNDS):
        with Wire.open(iris.port) as wire:
            data = bodies(chance, wire) or b"\0"
            with suppress(OSError):  # it may leave first
                for at in range(0, min(len(data), 1 << 16), step := chance.choice((len(data), 7, 500))):
                    wire.send(data[at : at + step])
                wire.socket.shutdown(socket.SHUT_WR)
            while wire.read() is not None:
                pass
        if number == ROUNDS // 4:
            before = resident(iris)
        if number % 50 == 0:
            with Wire.open(iris.port) as wire:
                wire.call(1)
                assert ("grpc-status", "0") in wire.answered(1)
    assert resident(iris) - before < 20 << 20
    assert b"processor-failed" not in iris.log.encode()
    assert "Traceback" not in iris.log
    with Wire.open(iris.port) as wire:
        wire.call(1)
        assert ("grpc-status", "0") in wire.answered(1)


FIELDS = st.lists(
    st.tuples(
        st.sampled_from([b"a", b"content-type", b":path", b"x-some-header", b"cookie"])
        | st.binary(min_size=1, max_size=20),
        st.binary(max_size=200),
    ),
    max_size=12,
)


@settings(max_examples=200, deadline=None)
@given(st.lists(FIELDS, max_size=6), st.booleans(), st.sampled_from([4096, 4096, 100, 0]))
def test_header_blocks_are_read_as_they_were_written(
    blocks: list[list[tuple[bytes, bytes]]], coded: bool, size: int
) -> None:
    encoder, decoder = peer.Encoder(), hpack.Decoder(1 << 16)
    encoder.header_table_size = size
    for fields in blocks:
        assert decoder.decode(encoder.encode(fields, huffman=coded)) == fields


@settings(max_examples=200, deadline=None)
@given(FIELDS)
def test_header_blocks_are_written_as_others_read_them(fields: list[tuple[bytes, bytes]]) -> None:
    assert [tuple(field) for field in peer.Decoder().decode(hpack.encode(fields), raw=True)] == fields


@settings(max_examples=500, deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=5))
def test_any_bytes_are_a_header_block_or_refused(blocks: list[bytes]) -> None:
    decoder = hpack.Decoder(2000)
    with suppress(hpack.BadBlock):
        for block in blocks:
            fields = decoder.decode(block)
            assert sum(len(name) + len(value) + 32 for name, value in fields) <= 2000


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_huffman_code_or_refused(data: bytes) -> None:
    try:
        plain = huffman.decode(data)
    except huffman.Malformed:
        return
    assert peer.huffman_table.decode_huffman(data) == plain


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=6), st.lists(st.integers(1, 30), min_size=1, max_size=40))
def test_messages_come_whole_however_they_are_cut(messages: list[bytes], cuts: list[int]) -> None:
    data = b"".join(b"\0" + len(message).to_bytes(4, "big") + message for message in messages)
    unframer, found, at = Unframer(b"identity", 1000), [], 0
    for number in range(len(data)):
        if at >= len(data):
            break
        cut = cuts[number % len(cuts)]
        found += [bytes(message) for message in unframer.feed(data[at : at + cut])]
        at += cut
    assert (found, unframer.pending) == (messages, 0)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=6), st.sampled_from([b"identity", b"gzip", b"deflate"]))
def test_any_bytes_are_messages_or_refused(chunks: list[bytes], encoding: bytes) -> None:
    unframer = Unframer(encoding, 1000)
    with suppress(Refused, InvalidInput):
        for chunk in chunks:
            assert all(len(message) <= 1000 for message in unframer.feed(chunk))


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_protobuf_message_or_refused(data: bytes) -> None:
    with suppress(protobuf_wire.Malformed):
        rest, _, many = protobuf_wire.split(data, 3, 7)
        assert len(rest) + sum(map(len, many)) <= len(data)
