"""How the parts of a batch become one object: order, floors, and what passes through memory."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from baton.assembly import Part, arrange
from baton.ports import BytesPiece, CopyPiece, JoinedPiece, Piece, Stretch
from baton.ports.preconditions import JOINED_BYTES_MAX, PART_BYTES_MIN, check_pieces, piece_bytes

MIB = 1024 * 1024


def _parts(sizes: Sequence[int]) -> list[Part]:
    return [Part(str(index), size_bytes, 0) for index, size_bytes in enumerate(sizes)]


def _stretches(pieces: Sequence[Piece]) -> Iterator[Stretch]:
    for piece in pieces:
        match piece:
            case CopyPiece():
                yield Stretch(piece.key, piece.start, piece.start + piece.size_bytes)
            case JoinedPiece():
                yield from (source for source in piece.sources if isinstance(source, Stretch))
            case BytesPiece():
                assert not piece.body


@given(st.lists(st.integers(0, 12 * MIB) | st.integers(0, 2_000) | st.just(600 * MIB), max_size=60), st.binary())
def test_pieces_keep_order_lose_nothing_and_meet_floor_and_ceiling(sizes: list[int], head: bytes) -> None:
    pieces = arrange(_parts(sizes), head=head)

    check_pieces("output/r", pieces)
    assert sum(map(piece_bytes, pieces)) == sum(sizes) + len(head)
    found = [(key, list(spans)) for key, spans in groupby(_stretches(pieces), key=lambda each: each.key)]
    assert [key for key, _ in found] == [str(index) for index, size_bytes in enumerate(sizes) if size_bytes]
    for key, spans in found:
        assert [0, *(span.end for span in spans)] == [*(span.start for span in spans), sizes[int(key)]]


def test_large_parts_are_copied_alone() -> None:
    assert arrange(_parts([33 * MIB] * 5)) == [CopyPiece(str(index), 33 * MIB) for index in range(5)]


def test_a_large_part_behind_a_small_one_is_not_fetched() -> None:
    filled, copied = arrange(_parts([4 * MIB, 600 * MIB]))

    assert filled == JoinedPiece((Stretch("0", 0, 4 * MIB, 0), Stretch("1", 0, MIB)))
    assert copied == CopyPiece("1", 599 * MIB, start=MIB)


def test_what_is_left_at_the_end_is_copied_too_unless_it_is_all_there_is() -> None:
    assert arrange(_parts([6 * MIB, 0, 7])) == [CopyPiece("0", 6 * MIB), CopyPiece("2", 7)]
    assert arrange(_parts([7])) == [JoinedPiece((Stretch("0", 0, 7, 0),))]
    assert arrange(_parts([0])) == arrange([]) == [BytesPiece(b"")]


def test_small_parts_are_joined_until_they_pass_the_floor() -> None:
    pieces = arrange(_parts([4 * MIB] * 320))

    assert {piece_bytes(piece) for piece in pieces} == {8 * MIB}
    assert PART_BYTES_MIN <= 8 * MIB <= JOINED_BYTES_MAX
