"""How much sooner a running `vox serve` answers with what was said before.

    python -m benchmarks.serving.caches http://127.0.0.1:8020 VOICE [--n 20]

Each text has four everyday sentences of its own, and each request asks for a WAV in the batch lane.

    spoken      a text for the first time
    sentences   its first three sentences: the request is new, and each sentence was spoken before
    request     the first text again
    template    a text whose third sentence alone is new
"""

from __future__ import annotations

import argparse
import statistics
import time
from itertools import islice

import httpx

from starter.everyday import everyday_sentences

PARTS = ("spoken", "template", "sentences", "request")


def speak(client: httpx.Client, voice: str, sentences: list[str], seed: int, *, expect: str) -> float:
    """Return the seconds of work per second of speech, until the last byte.

    Args:
        client: Of the service.
        voice: Its name.
        sentences: Of the text.
        seed: Of the reading.
        expect: What X-Cache must say.
    """
    body = {"input": " ".join(sentences), "voice": voice, "response_format": "wav", "lane": "batch", "seed": seed}
    begin = time.perf_counter()
    answer = client.post("/v1/audio/speech", json=body)
    seconds = time.perf_counter() - begin
    answer.raise_for_status()
    assert answer.headers["x-cache"] == expect, answer.headers["x-cache"]
    return seconds / (len(answer.content) / 2 / int(answer.headers["x-sample-rate"]))


def measure(client: httpx.Client, voice: str, n: int) -> dict[str, list[float]]:
    """Return the seconds per second of speech of each part."""
    seed = time.time_ns() % 2**31  # no run meets the cache of one before
    texts = everyday_sentences(seed)
    found: dict[str, list[float]] = {part: [] for part in PARTS}
    for _ in range(n):
        *sentences, other = islice(texts, 5)
        found["spoken"].append(speak(client, voice, sentences, seed, expect="miss"))
        changed = [*sentences[:2], other, sentences[3]]
        found["template"].append(speak(client, voice, changed, seed, expect="miss"))
        found["sentences"].append(speak(client, voice, sentences[:3], seed, expect="miss"))
        found["request"].append(speak(client, voice, sentences, seed, expect="hit"))
    return found


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address")
    parser.add_argument("voice")
    parser.add_argument("--n", type=int, default=20, help="texts")
    options = parser.parse_args()
    with httpx.Client(base_url=options.address, timeout=120) as client:
        found = measure(client, options.voice, options.n)
    spoken = statistics.median(found["spoken"])
    print("| part | ms per second of speech, median | times sooner |\n|---|---|---|")
    for part in PARTS:
        median = statistics.median(found[part])
        print(f"| {part} | {1000 * median:.1f} | {spoken / median:.1f} |")


if __name__ == "__main__":
    main()
