"""The same batches over standard input and output, for a worker that a flow starts.

A frame is a head of 16 bytes (the four letters FRW1, then the length of the metadata and of the body, little endian, four and
eight bytes), metadata as JSON, and a body: an Arrow IPC stream with one batch, or nothing. The worker begins; what it has written
before its first frame is not looked at.
"""
import os
import queue
import struct
import sys
import threading

import pyarrow as pa

from .function import description, encoded

HEAD = struct.Struct("<4sIQ")
MAGIC = b"FRW1"


def write_frame(fd, meta, batch=None):
    body = b""
    if batch is not None:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as stream:
            stream.write_batch(batch)
        body = sink.getvalue()
    meta = encoded(meta)
    write_all(fd, HEAD.pack(MAGIC, len(meta), len(body)) + meta)
    if len(body):
        write_all(fd, body)


def write_all(fd, data):
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view):]


def read_frame(stream):
    """The metadata and the body of the next frame; None at the end."""
    import json

    head = stream.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    magic, meta, body = HEAD.unpack(head)
    if magic != MAGIC:
        raise ValueError("what is read is no frame")
    data = stream.read(meta + body)
    if len(data) < meta + body:
        return None
    return json.loads(data[:meta]), pa.py_buffer(data)[meta:]


class Stdio:
    """A worker behind two pipes. The functions run on the main thread, the next batch is read meanwhile."""

    def __init__(self, by_name, load=None):
        self.by_name, self.load = by_name, load
        self.given = queue.Queue(maxsize=1)
        self.busy = threading.Event()

    def run(self):
        self.out, source = os.dup(1), os.dup(0)
        os.dup2(2, 1)  # what the program prints is for the log
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        write_frame(self.out, dict(description(self.by_name, credits=2), loading=self.load is not None))
        threading.Thread(target=self.read, args=(os.fdopen(source, "rb", 1 << 20),), daemon=True).start()
        if self.load is not None:
            self.load()
            write_frame(self.out, {"ready": True})
        while (frame := self.given.get()) is not None:
            self.busy.set()
            self.answer(*frame)
            self.busy.clear()

    def read(self, stream):
        while (frame := read_frame(stream)) is not None:
            self.given.put(frame)
        if self.busy.is_set():
            # Nobody is there any more who could take what is being computed.
            os._exit(0)
        self.given.put(None)

    def answer(self, meta, body):
        seq = meta["seq"]
        function = self.by_name.get(meta["function"])
        if function is None:
            write_frame(self.out, {"seq": seq, "done": True, "error": {"kind": "unknown_function", "message": f"there is no function {meta['function']}"}})
            return
        reader = pa.ipc.open_stream(body)
        batch = reader.read_next_batch()
        request = {"output": bytes.fromhex(meta.get("output", ""))}
        write_frame(self.out, {"seq": seq, "begun": True})
        head = b'{"seq":%d,"at":' % seq

        def mark(i):
            text = head + b"%d}" % i
            os.write(self.out, HEAD.pack(MAGIC, len(text), 0) + text)

        for part, meta in function.answer(request, batch, mark):
            write_frame(self.out, dict(meta, seq=seq, revision=function.revision), part)
            if meta["done"]:
                return


def run(by_name, load=None):
    try:
        Stdio(by_name, load).run()
    except BrokenPipeError:
        os._exit(0)
    sys.stderr.flush()
