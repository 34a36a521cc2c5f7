"""A worker as a server of Arrow Flight: many flows, many streams, one batch at a time on the device."""
import json
import os
import signal
import sys
import threading

import pyarrow as pa
import pyarrow.flight as flight

from .function import description, encoded


class Server(flight.FlightServerBase):
    """Answers DoExchange with the functions of a worker, and the action describe."""

    def __init__(self, location, by_name, credits, **tls):
        super().__init__(location, **tls)
        self.by_name, self.credits = by_name, credits
        # One function runs at a time; what is read and written overlaps with it.
        self.device = threading.Lock()

    def do_action(self, context, action):
        if action.type != "describe":
            raise flight.FlightUnavailableError(f"there is no action {action.type}")
        yield flight.Result(encoded(description(self.by_name, self.credits)))

    def list_actions(self, context):
        return [("describe", "what the worker serves, as JSON")]

    def do_exchange(self, context, descriptor, reader, writer):
        kind, name = [p.decode() for p in descriptor.path][1:3]
        function = self.by_name.get(name)
        if function is None or function.kind != kind:
            raise KeyError(f"there is no function {name}")
        writing = Writing(writer, function)
        for chunk in reader:
            meta = json.loads(chunk.app_metadata.to_pybytes())
            self.answer(function, meta, chunk.data, writing)

    def answer(self, function, meta, batch, writing):
        seq = meta["seq"]
        writing.begin(bytes.fromhex(meta.get("output", "")))
        with self.device:
            writing.write(None, {"seq": seq, "begun": True})
            for part, meta in function.answer({"output": bytes.fromhex(meta.get("output", ""))}, batch, lambda i: None):
                writing.write(part, dict(meta, seq=seq, revision=function.revision))
                if meta["done"]:
                    return


class Writing:
    """The replies of one stream: all of one schema."""

    def __init__(self, writer, function):
        self.writer, self.function, self.schema = writer, function, None

    def begin(self, output):
        if self.schema is None:
            self.schema = self.function.replies(output)
            self.writer.begin(self.schema)
            self.nothing = pa.record_batch([pa.nulls(0, f.type) for f in self.schema], schema=self.schema)

    def write(self, batch, meta):
        self.writer.write_with_metadata(self.nothing if batch is None else batch, encoded(meta))


def run(by_name, load, options, credits=2):
    """Serves until it is told to end."""
    location = options.listen.replace("unix:", "grpc+unix:", 1) if options.listen.startswith("unix:") else options.listen
    tls = {}
    if location.startswith("grpc+tls:"):
        tls["tls_certificates"] = [(read(options.tls_cert), read(options.tls_key))]
        if options.tls_client_ca:
            tls.update(verify_client=True, root_certificates=read(options.tls_client_ca))
    if load is not None:
        load()
    if location.startswith("grpc+unix:"):
        path = location.split(":", 1)[1]
        if os.path.exists(path):
            os.unlink(path)  # of one that was killed
    server = Server(location, by_name, credits, **tls)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"freshet_worker: serving {', '.join(by_name)} at {location if not server.port else f'port {server.port}'}", file=sys.stderr, flush=True)
    server.serve()


def read(path):
    if not path:
        sys.exit("freshet_worker: grpc+tls needs --tls-cert and --tls-key")
    with open(path, "rb") as f:
        return f.read()
