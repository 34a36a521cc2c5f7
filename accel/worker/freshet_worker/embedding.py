"""Embedding models behind a worker."""
import itertools

import pyarrow as pa

from .function import Unavailable, code_revision, out_of_memory, unanswered, words
from .reply import HEAD, Progress, Status


class Embedding:
    """A function of texts that gives one vector for each: fn(list of str) -> array of shape (texts, dims).

    It may give (vectors, tokens) instead, with the number of tokens of each text, as models count them for their price. tokens
    is the most that one batch should hold, padded tells that a batch is computed as long as its longest text.
    """

    kind = "embed"
    batched = True

    def __init__(self, fn, name="embed", dims=None, revision=None, tokens=0, rows=0, padded=False):
        if not dims:
            raise ValueError("Embedding: say how long the vectors are: dims=384")
        self.fn, self.name, self.dims = fn, name, dims
        self.revision = code_revision(fn) if revision is None else str(revision)
        self.tokens, self.rows, self.padded = tokens, rows, padded
        self.schema = pa.schema(HEAD + [pa.field("vector", pa.list_(pa.field("item", pa.float32(), False), dims)), pa.field("tokens", pa.int32())])

    def describe(self):
        return {"name": self.name, "kind": self.kind, "revision": self.revision, "batched": True, "dims": self.dims,
                "tokens": self.tokens, "rows": self.rows, "padded": self.padded}

    def replies(self, output):
        return self.schema

    def answer(self, request, batch, mark):
        """Yields the vectors of a batch, in parts where a text has to be separated from the others."""
        progress = Progress(batch)
        texts = batch.column("text").to_pylist()
        try:
            for span, vectors, tokens, fault, last in self.compute(texts, progress):
                part, meta = self.part(progress, span, vectors, tokens, fault)
                yield part, {"done": last, **meta}
        except Exception as error:
            yield unanswered(progress, error)

    def compute(self, texts, progress):
        pending = [range(len(texts))]
        while pending:
            span = pending.pop()
            try:
                with progress.busy():
                    result = self.fn(texts[span.start:span.stop])
                vectors, tokens = result if isinstance(result, tuple) else (result, None)
                yield span, vectors, tokens, None, not pending
            except (Unavailable, MemoryError):
                raise
            except Exception as error:
                if out_of_memory(error):
                    raise
                if len(span) == 1:
                    yield span, None, None, words(error), not pending
                    continue
                middle = (span.start + span.stop) // 2
                pending += [range(middle, span.stop), range(span.start, middle)]

    def part(self, progress, span, vectors, tokens, fault):
        n = len(span)
        ids = progress.ids.slice(span.start, n)
        meta = {"busy_ns": progress.busy_ns}
        if fault is not None:
            arrays = [ids, pa.array([Status.INVALID], pa.uint8()), pa.array([fault]), pa.nulls(1, self.schema.field("vector").type), pa.nulls(1, pa.int32())]
            return pa.record_batch(arrays, schema=self.schema), meta
        shape, numbers = flat(vectors)
        if shape != (n, self.dims):
            return progress.broken("malformed", f"the function was given {n} texts and gave an array of shape {shape}, not ({n}, {self.dims})")
        column = pa.FixedSizeListArray.from_arrays(numbers, type=self.schema.field("vector").type)
        counted = pa.nulls(n, pa.int32())
        if tokens is not None:
            counted = pa.array(tokens, pa.int32())
            meta["tokens"] = int(sum(tokens))
        arrays = [ids, pa.array([Status.OK] * n, pa.uint8()), pa.nulls(n, pa.string()), column, counted]
        return pa.record_batch(arrays, schema=self.schema), meta


def flat(vectors):
    """The shape of a matrix and its numbers in one row: of an array of numpy or alike, or of lists."""
    if hasattr(vectors, "detach"):  # of PyTorch
        vectors = vectors.detach().float().cpu().numpy()
    if hasattr(vectors, "shape"):
        return tuple(vectors.shape), pa.array(vectors.astype("float32", copy=False).reshape(-1))
    rows = [list(v) for v in vectors]
    lengths = {len(v) for v in rows}
    shape = (len(rows), lengths.pop()) if len(lengths) == 1 else (len(rows), sorted(lengths))
    return shape, pa.array(itertools.chain.from_iterable(rows), pa.float32())
