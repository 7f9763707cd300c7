"""The program of a worker: the only process that imports torch. It reads frames from the API and speaks.

    python -m serving.engine.worker --connection FD --device cpu --precision float32 --batch-size 8 --unread-bytes N

A thread reads frames and does nothing else, so that a new stream is seen at the next pause point. The process ends when
the API does, because the connection ends then.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import psutil
import torch

from gpt_sovits.synthesis.synthesizer import Synthesizer
from serving.caches.layers import CachePlace, open_cache
from serving.caches.sentences import Pronunciation, SentenceCache
from serving.engine.batches import BatchRequest, BatchTask, ReadingTask, next_batch
from serving.engine.frames import BrokenFrameError, Header, pack, receive_frame
from serving.engine.pairs import Voices, WarmingTask, refuse, start_loading
from serving.engine.scheduler import Scheduler
from serving.engine.speaking import Output, Speak
from serving.engine.streams import StreamTask

STATUS_SECONDS = 1.0


class Worker:
    """The requests and pairs of a worker process.

    Invariant: a request speaks with the pair that it was admitted with, loaded or replaced meanwhile.
    """

    def __init__(self, connection: socket.socket, options: argparse.Namespace) -> None:
        """Begin without pairs and requests.

        Args:
            connection: To the API.
            options: Of the command line.
        """
        self._connection, self._options = connection, options
        self._inbox: queue.SimpleQueue[Header | None] = queue.SimpleQueue()
        self._scheduler = Scheduler(on_fault=self._end_if_the_gpu_is_lost)
        self._pairs: dict[str, Voices] = {}
        self._streams: dict[int, StreamTask] = {}
        self._batch: dict[int, BatchRequest] = {}
        self._loaded: queue.SimpleQueue[tuple[str, Voices | Exception]] = queue.SimpleQueue()
        self._send_lock = threading.Lock()
        self._sentences = SentenceCache(open_cache(CachePlace(**json.loads(options.cache))) if options.cache else None)

    def run(self) -> None:
        """Speak until the API ends."""
        threading.Thread(target=self._read, name="read-frames", daemon=True).start()
        self._send({"kind": "ready", "pid": os.getpid()})
        next_status = 0.0
        with torch.inference_mode():
            while True:
                self._handle_all()
                self._start_batch()
                if not self._scheduler.turn():
                    self._wait()
                if (now := time.monotonic()) >= next_status:
                    next_status = now + STATUS_SECONDS
                    self._send({"kind": "status", "resident": psutil.Process().memory_info().rss})
                self._forget_finished()

    def _read(self) -> None:
        try:
            while (frame := receive_frame(self._connection)) is not None:
                self._inbox.put(frame[0])
        except BrokenFrameError as error:
            print(f"worker {os.getpid()}: {error}", file=sys.stderr)
        os._exit(0)  # nobody is left to speak for

    def _send(self, header: Header, body: bytes = b"") -> None:
        try:
            with self._send_lock:
                self._connection.sendall(pack(header, body))
        except OSError:
            os._exit(0)

    def _end_if_the_gpu_is_lost(self) -> None:
        """End the process if nothing can be computed any more, as after an illegal access to the memory of a GPU.

        Its requests are spoken again by another one then.
        """
        try:
            if self._options.device == "cuda":
                torch.cuda.synchronize()
        except RuntimeError:
            print(f"worker {os.getpid()}: the GPU computes nothing any more, so this process ends", file=sys.stderr)
            os._exit(1)

    def _wait(self) -> None:
        try:
            self._handle(self._inbox.get(timeout=STATUS_SECONDS))
        except queue.Empty:
            return

    def _handle_all(self) -> None:
        while not self._inbox.empty():
            self._handle(self._inbox.get())
        while not self._loaded.empty():
            self._take_pair(*self._loaded.get())

    def _handle(self, header: Header | None) -> None:
        if header is None:  # a pair was loaded
            return
        kind = header.pop("kind")
        if kind == "speak":
            self._speak(header)
        elif kind == "cancel":
            self._cancel(header["id"])
        elif kind == "taken":
            self._taken(header["id"], header["bytes"])
        elif kind == "load":
            self._load(header["candidate"], Path(header["folder"]), header["presets"])
        elif kind == "unload":
            self._pairs.pop(header["candidate"], None)
        elif kind == "stop":
            os._exit(0)

    def _speak(self, header: Header) -> None:
        is_stream = header.pop("lane") == "realtime"
        speak = Speak(**header)
        voice = self._pairs.get(speak.candidate, {}).get(speak.preset)
        if voice is None:
            self._send({"kind": "failed", "id": speak.id, "error": "unloaded", "message": speak.candidate})
            return
        output = self._output(speak, voice)
        try:
            voice = voice.with_words(speak.words) if speak.words else voice
        except ValueError as error:
            output.fail(error)
            return
        if is_stream:
            self._streams[speak.id] = task = StreamTask(speak, voice, output, self._scheduler)
            self._scheduler.add(task)
            return
        options = self._options
        how = Pronunciation(
            candidate=speak.candidate,
            preset=speak.preset,
            precision=options.precision,
            device=options.device,
            word_times=speak.word_times,
        )
        self._batch[speak.id] = request = BatchRequest(speak, voice, output, cache=self._sentences, how=how)
        self._scheduler.add(ReadingTask(request))

    def _output(self, speak: Speak, voice: Synthesizer) -> Output:
        return Output(
            speak.id,
            self._send,
            sample_rate=voice.sample_rate,
            max_unread_bytes=self._options.unread_bytes,
            is_traced=speak.is_traced,
        )

    def _cancel(self, number: int) -> None:
        stream = self._streams.pop(number, None)
        if stream is not None:
            self._scheduler.cancel(stream)
        request = self._batch.pop(number, None)
        if request is None:
            return
        request.end()
        for task in self._scheduler.tasks:
            unwanted = isinstance(task, BatchTask) and not task.is_wanted
            if unwanted or (isinstance(task, ReadingTask) and task.request is request):
                self._scheduler.cancel(task)

    def _taken(self, number: int, n_bytes: int) -> None:
        request = self._streams.get(number) or self._batch.get(number)
        if request is not None:
            request.output.taken_bytes = n_bytes

    def _start_batch(self) -> None:
        """Begin the next batch where none is being spoken. Later requests can join the one after it."""
        if not any(isinstance(task, BatchTask) for task in self._scheduler.tasks):
            batch = next_batch(list(self._batch.values()), self._options.batch_size, self._scheduler)
            if batch is not None:
                self._scheduler.add(batch)

    def _forget_finished(self) -> None:
        tasks = set(self._scheduler.tasks)
        self._streams = {number: task for number, task in self._streams.items() if task in tasks}
        self._batch = {number: request for number, request in self._batch.items() if not request.is_ended}

    def _load(self, candidate: str, folder: Path, presets: list[str]) -> None:
        def done(result: Voices | Exception) -> None:
            self._loaded.put((candidate, result))
            self._inbox.put(None)  # wakes a worker that waits

        start_loading(
            candidate,
            folder,
            presets,
            batch_size=self._options.batch_size,
            precision=self._options.precision,
            device=self._options.device,
            done=done,
        )

    def _take_pair(self, candidate: str, result: Voices | Exception) -> None:
        if isinstance(result, Exception):
            refuse(self._send, candidate, result)
            return
        self._scheduler.add(WarmingTask(candidate, result, self._pairs, self._send, self._scheduler))


def main() -> None:
    """Run a worker on the connection that the API passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connection", type=int, required=True)
    parser.add_argument("--device", required=True)
    parser.add_argument("--precision", required=True)
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--unread-bytes", type=int, required=True)
    parser.add_argument("--cache", default="", help="where sentences are kept, a CachePlace as JSON")
    parser.add_argument("--cores", type=int, nargs="*", default=[])
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # service managers send it to all processes, and the API drains first
    torch.set_num_threads(options.threads)
    if options.cores:
        os.sched_setaffinity(0, options.cores)
    Worker(socket.socket(fileno=options.connection), options).run()


if __name__ == "__main__":
    main()
