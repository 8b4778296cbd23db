"""HiSLIP messages: out of a stream however it is cut, and nothing but its own error for garbage."""

from hypothesis import given
from hypothesis import strategies as st

from drivers.wire.hislip import LARGEST, Kind, Message, PoorlyFormedError, Reader, data_messages

MESSAGES = st.builds(
    Message,
    kind=st.integers(0, 255),
    control=st.integers(0, 255),
    parameter=st.integers(0, 0xFFFFFFFF),
    payload=st.binary(max_size=40),
)


def test_a_header_is_as_the_standard_has_it() -> None:
    packed = Message(Kind.INITIALIZE, parameter=0x01007878, payload=b"hislip0").packed()
    assert packed.hex() == "48530000" + "01007878" + "0000000000000007" + b"hislip0".hex()


@given(st.lists(MESSAGES, max_size=6), st.lists(st.integers(1, 30), max_size=40))
def test_a_stream_is_taken_apart_however_it_is_cut(sent: list[Message], cuts: list[int]) -> None:
    stream = b"".join(one.packed() for one in sent)
    reader, found = Reader(), list[Message]()
    for length in cuts:
        found += reader.feed(stream[:length])
        stream = stream[length:]
    assert found + reader.feed(stream) == sent


def test_a_message_too_large_is_skipped_and_the_next_is_read() -> None:
    large = Message(Kind.DATA_END, parameter=7, payload=bytes(LARGEST)).packed()
    after = Message(Kind.TRIGGER)
    reader = Reader()
    found = reader.feed(large[:100]) + reader.feed(large[100:] + after.packed())
    assert found == [Message(Kind.DATA_END, parameter=7, is_too_large=True), after]


@given(st.binary(max_size=200))
def test_garbage_is_messages_or_poorly_formed(data: bytes) -> None:
    try:
        found = Reader().feed(data)
    except PoorlyFormedError:
        assert data[:2] != b"HS" or len(data) > 16
    else:
        assert len(data) < 16 or found or data[:2] == b"HS"


@given(st.binary(max_size=3000), st.integers(64, 1024))
def test_an_answer_is_cut_to_the_clients_size(data: bytes, largest: int) -> None:
    messages = data_messages(data, 5, largest)
    assert b"".join(one.payload for one in messages) == data
    assert all(len(one.packed()) <= largest for one in messages)
    assert [one.kind for one in messages[:-1]] == [Kind.DATA] * (len(messages) - 1)
    assert messages[-1].kind == Kind.DATA_END
