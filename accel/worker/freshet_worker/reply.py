"""What goes back for a batch: one row for each that was given, in any order, in one part or several."""
import contextlib
import time

import pyarrow as pa

from . import values


class Status:
    """What became of a row."""

    OK, INVALID, TOO_LONG, OOM, TRANSIENT = range(5)


HEAD = [pa.field("_row", pa.int64(), False), pa.field("_status", pa.uint8(), False), pa.field("_error", pa.string())]


def reply_schema(output):
    return pa.schema(HEAD + [pa.field(f.name, values.storage_type(f), True) for f in output])


class Progress:
    """Counts what a batch takes and makes its parts."""

    def __init__(self, batch):
        self.ids = batch.column("_row")
        self.began = time.perf_counter_ns()
        self.busy_ns = 0

    def __len__(self):
        return len(self.ids)

    @contextlib.contextmanager
    def busy(self):
        begun = time.perf_counter_ns()
        try:
            yield
        finally:
            self.busy_ns += time.perf_counter_ns() - begun

    def head(self, places, status, errors):
        return [self.ids.take(pa.array(places, pa.int64())), pa.array(status, pa.uint8()), pa.array(errors, pa.string())]

    def part(self, schema, output, rows, last):
        """A part: rows are (place, status, result or text)."""
        places = [i for i, _, _ in rows]
        status = [s for _, s, _ in rows]
        errors = [x if s != Status.OK else None for _, s, x in rows]
        results = [self.fields(x, output) if s == Status.OK else {} for _, s, x in rows]
        columns = []
        for f in output:
            given = [r.get(f.name) if isinstance(r, dict) else None for r in results]
            column, faults = values.to_arrow(given, f)
            for at, text in faults.items():
                if status[at] == Status.OK:
                    status[at], errors[at] = Status.INVALID, text
            columns.append(column)
        for at, result in enumerate(results):
            if isinstance(result, str):  # what the function gave is no row
                status[at], errors[at] = Status.INVALID, result
        arrays = self.head(places, status, errors) + columns
        return pa.record_batch(arrays, schema=schema), {"busy_ns": self.busy_ns, "done": last}

    @staticmethod
    def fields(result, output):
        """The fields of a result, or what is wrong with it. A value that is no dict is the one field of the output."""
        if isinstance(result, dict):
            return result
        if result is None:
            return {}
        if len(output) == 1:
            return {output.field(0).name: result}
        return f"the function gave {type(result).__name__}, and the flow wants a dict with {', '.join(output.names)}"

    @staticmethod
    def broken(kind, message):
        """The end of a batch that is not answered to the end."""
        return None, {"error": {"kind": kind, "message": message}, "done": True}
