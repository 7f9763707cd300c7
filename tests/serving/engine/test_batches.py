"""Who speaks in the next batch: requests and voices take turns, and none waits for a book of another."""

from __future__ import annotations

from serving.engine.batches import BatchRequest, next_batch


class Lines(BatchRequest):
    """A request whose sentences are numbers. No cache knows them."""

    def __init__(self, name: str, n_sentences: int, voice: str = "anna") -> None:
        self.name, self.voice_name, self.sentences = name, voice, list(range(n_sentences))
        self.next_to_speak, self.is_ended, self.last_turn = 0, False, None

    @property
    def key(self) -> tuple[str, str]:
        return self.voice_name, "narration"

    @property
    def has_more(self) -> bool:
        return self.next_to_speak < len(self.sentences)

    def sentence_key(self, index: int) -> str:
        return f"{self.name} {index}"

    def take_known(self) -> None:
        pass


def speak(requests: list[Lines], size: int = 4) -> str:
    """Return the names of those that are in the next batch, in its order."""
    batch = next_batch(requests, size, None)
    return "".join(request.name for request, _ in batch.members) if batch else ""


def test_requests_of_a_voice_share_each_batch():
    book, line = Lines("B", 100), Lines("l", 2)
    assert speak([book, line]) == "BlBl"
    assert speak([book, line]) == "BBBB"


def test_a_text_of_one_voice_does_not_wait_for_the_book_of_another():
    book = Lines("B", 100)
    assert speak([book]) == "BBBB"
    requests = [book, Lines("c", 6, "ben"), Lines("d", 9, "dora")]
    assert [speak(requests) for _ in range(8)] == ["cccc", "dddd", "BBBB", "cc", "dddd", "BBBB", "d", "BBBB"]


def test_a_book_goes_on_while_texts_of_another_voice_come():
    requests, spoken = [Lines("B", 100)], []
    for number in range(8):
        spoken.append(speak(requests))
        requests += [Lines("c", 4, "ben")] * (number % 2 == 0)
    assert spoken == ["BBBB", "cccc", "BBBB", "cccc", "BBBB", "cccc", "BBBB", "cccc"]


def test_requests_beyond_the_size_of_a_batch_take_turns():
    requests = [Lines(name, 100) for name in "ABCDEF"]
    assert [speak(requests) for _ in range(3)] == ["ABCD", "EFAB", "CDEF"]


def test_nobody_is_left_out_where_more_texts_come_than_fit():
    requests, spoken = [Lines("B", 100)], ""
    for _ in range(10):
        spoken += speak(requests)
        requests += [Lines("c", 1) for _ in range(4)]
    assert spoken.count("B") >= 8
