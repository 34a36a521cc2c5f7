"""Functions that a flow calls, and how the rows of a batch are given to them."""
import hashlib
import inspect
import json
import os
import time

import pyarrow as pa

from . import values
from .reply import Progress, Status, reply_schema

# A part of a batch is handed over this long after the one before, so that little is lost when the worker dies.
PART_SECONDS = 0.1


class Unavailable(Exception):
    """What the function needs is out for now: the rows are given again later, and none becomes a dead letter."""


def batched(fn):
    """Marks a function that takes whole columns, as lists, and gives a list of rows or a dict of columns."""
    fn.freshet_batched = True
    return fn


def code_revision(fn):
    """A hash of the file that holds the function, without comments, blank lines and trailing white space."""
    try:
        path = inspect.getsourcefile(inspect.unwrap(fn))
        with open(path, encoding="utf-8") as source:
            lines = [line.rstrip() for line in source]
    except (OSError, TypeError):
        return ""
    code = "\n".join(line for line in lines if line and not line.lstrip().startswith("#"))
    return hashlib.sha256(code.encode()).hexdigest()[:16]


def out_of_memory(error):
    """Whether an error says that less at once may work."""
    return isinstance(error, MemoryError) or type(error).__name__ in ("OutOfMemoryError", "OutOfMemory")


def words(error):
    """An exception in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


class Function:
    """A Python function as flows see it."""

    kind = "call"

    def __init__(self, fn, name=None, revision=None):
        self.fn = fn
        self.name = name or fn.__name__
        self.revision = code_revision(fn) if revision is None else str(revision)
        self.batched = getattr(fn, "freshet_batched", False)
        self.parameters, self.open = [], False
        for p in inspect.signature(fn).parameters.values():
            if p.kind == p.VAR_KEYWORD:
                self.open = True
            elif p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY):
                self.parameters.append({"name": p.name, "required": p.default is p.empty})
            elif p.kind == p.POSITIONAL_ONLY:
                raise TypeError(f"{self.name}: the parameter {p.name} has no name to be called by")

    def describe(self):
        return {"name": self.name, "kind": self.kind, "revision": self.revision, "batched": self.batched,
                "parameters": self.parameters, "open": self.open}

    def replies(self, output):
        """The schema of the replies, for an output as the flow wants it."""
        return reply_schema(pa.ipc.read_schema(pa.py_buffer(output)))

    def answer(self, request, batch, mark):
        """Yields the answers to a batch in parts, the last with "done". mark(i) is called before row i is looked at."""
        output = pa.ipc.read_schema(pa.py_buffer(request["output"]))
        schema = reply_schema(output)
        progress = Progress(batch)
        columns = {f.name: values.to_python(batch.column(f.name), f) for f in batch.schema if not f.name.startswith("_")}
        try:
            parts = self.columns(columns, progress) if self.batched else self.rows(columns, progress, mark)
            for rows, last in parts:
                yield progress.part(schema, output, rows, last)
        except Exception as error:
            yield unanswered(progress, error)

    def rows(self, columns, progress, mark):
        """Calls the function for one row after the other."""
        names = list(columns)
        done, since = [], time.monotonic()
        for i, given in enumerate(zip(*columns.values()) if names else ((),) * len(progress)):
            mark(i)
            done.append((i, *self.attempt(dict(zip(names, given)), progress)))
            if time.monotonic() - since >= PART_SECONDS:
                yield done, False
                done, since = [], time.monotonic()
        yield done, True

    def attempt(self, given, progress):
        with progress.busy():
            try:
                return Status.OK, self.fn(**given)
            except (Unavailable, MemoryError):
                raise
            except Exception as error:
                if out_of_memory(error):
                    raise
                return Status.INVALID, words(error)

    def columns(self, columns, progress):
        """Calls the function for the whole batch; where it raises, for halves, until the rows to blame stand alone."""
        pending = [range(len(progress))]
        while pending:
            span = pending.pop()
            part = {name: column[span.start:span.stop] for name, column in columns.items()}
            try:
                with progress.busy():
                    rows = spread(self.fn(**part), len(span))
            except (Unavailable, MemoryError):
                raise
            except Exception as error:
                if out_of_memory(error):
                    raise
                if len(span) == 1:
                    yield [(span.start, Status.INVALID, words(error))], not pending
                    continue
                middle = (span.start + span.stop) // 2
                pending += [range(middle, span.stop), range(span.start, middle)]
                continue
            yield [(i, Status.OK, row) for i, row in zip(span, rows)], not pending


def spread(result, count):
    """What a batched function gave, as rows."""
    if isinstance(result, (pa.RecordBatch, pa.Table)):
        result = result.to_pylist()
    elif isinstance(result, dict):
        lists = {name: column.tolist() if hasattr(column, "tolist") else list(column) for name, column in result.items()}
        short = {name: len(column) for name, column in lists.items() if len(column) != count}
        if short:
            raise ValueError(f"the function was given {count} rows and gave {short}")
        return [dict(zip(lists, row)) for row in zip(*lists.values())]
    rows = result.tolist() if hasattr(result, "tolist") else list(result)
    if len(rows) != count:
        raise ValueError(f"the function was given {count} rows and gave {len(rows)}")
    return rows


def unanswered(progress, error):
    """The end of a whole batch: what it needs is out, or there is too little memory. Any other error is raised."""
    if isinstance(error, Unavailable):
        return progress.broken("unavailable", words(error))
    if out_of_memory(error):
        release_memory()
        return progress.broken("oom", words(error))
    raise error


def release_memory():
    """Lets PyTorch give back what it keeps in store, where it is loaded."""
    import sys

    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def named_functions(functions, revision):
    """The functions of a worker by their names."""
    by_name = {}
    for f in functions:
        f = f if hasattr(f, "answer") else Function(f, revision=revision)
        if f.name in by_name:
            raise ValueError(f"two functions are called {f.name}")
        by_name[f.name] = f
    if not by_name:
        raise ValueError("serve: there is nothing to serve; name a function")
    return by_name


def description(by_name, credits):
    """What a worker says of itself."""
    return {"protocol": 1, "pid": os.getpid(), "credits": credits, "functions": [f.describe() for f in by_name.values()]}


def encoded(meta):
    return json.dumps(meta, separators=(",", ":")).encode()
