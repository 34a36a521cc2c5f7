"""Tests of what needs no engine: values, functions, batches that are cut, revisions."""
import datetime
import decimal
import os
import subprocess
import sys
import tempfile
import textwrap
import unittest
import uuid

import pyarrow as pa

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from freshet_worker import Embedding, Unavailable, batched  # noqa: E402
from freshet_worker.function import Function, named_functions  # noqa: E402
from freshet_worker.reply import Status  # noqa: E402
from freshet_worker.values import to_arrow, to_python  # noqa: E402

MODULE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def field(name, kind, nullable=True, **meta):
    return pa.field(name, kind, nullable, metadata={k.replace("_", "."): v for k, v in meta.items()} or None)


def answers(f, output, **columns):
    """All parts of the answers to a batch, by row: (status, error, fields)."""
    n = len(next(iter(columns.values())))
    batch = pa.record_batch({"_row": pa.array(range(n), pa.int64()), **columns})
    marks, rows, last = [], {}, None
    for part, last in f.answer({"output": pa.schema(output).serialize().to_pybytes()}, batch, marks.append):
        for row in part.to_pylist() if part is not None else []:
            assert row["_row"] not in rows, "answered twice"
            rows[row.pop("_row")] = (row.pop("_status"), row.pop("_error"), row)
    assert last["done"]
    return rows, marks, last


class Values(unittest.TestCase):
    def test_marked_types_are_those_of_python(self):
        u = uuid.UUID("6f1c8f9e-7a52-4c2f-9a53-0d5f1f0a2b3c")
        for f, value in ((field("d", pa.string(), freshet_kind="decimal"), decimal.Decimal("1.50")),
                         (field("j", pa.string(), **{"ARROW:extension:name": "arrow.json"}), {"a": [1, None]}),
                         (field("u", pa.binary(16), **{"ARROW:extension:name": "arrow.uuid"}), u),
                         (field("t", pa.timestamp("us", "UTC")), datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc)),
                         (field("v", pa.list_(pa.float32(), 2)), [0.5, 1.0])):
            column, faults = to_arrow([value, None], f)
            self.assertEqual((to_python(column, f), faults), ([value, None], {}), f.name)

    def test_a_value_of_another_type_is_a_fault_of_its_row(self):
        column, faults = to_arrow([1, "two", 3], field("n", pa.int64(), False))
        self.assertEqual((column.to_pylist(), list(faults)), ([1, None, 3], [1]))


class Functions(unittest.TestCase):
    out = [pa.field("loud", pa.string(), False)]

    def test_each_row_is_marked_before_it_is_looked_at(self):
        rows, marks, _ = answers(Function(lambda text: text.upper(), name="f"), self.out, text=["a", "b"])
        self.assertEqual((rows, marks), ({0: (0, None, {"loud": "A"}), 1: (0, None, {"loud": "B"})}, [0, 1]))

    def test_a_batched_function_is_cut_until_the_row_to_blame_stands_alone(self):
        sizes = []

        @batched
        def f(text):
            sizes.append(len(text))
            if "bad" in text:
                raise ValueError("bad")
            return {"loud": [t.upper() for t in text]}
        rows, _, _ = answers(Function(f), self.out, text=["a", "b", "c", "bad", "d", "e", "f", "g"])
        self.assertEqual([i for i, (status, _, _) in rows.items() if status == Status.INVALID], [3])
        self.assertEqual(len(rows), 8)
        self.assertLessEqual(len(sizes), 7)

    def test_what_is_out_ends_the_batch(self):
        for error, kind in ((Unavailable("later"), "unavailable"), (MemoryError("no"), "oom")):
            def f(text):
                raise error
            _, _, last = answers(Function(f), self.out, text=["a"])
            self.assertEqual(last["error"]["kind"], kind)

    def test_two_of_one_name_are_refused(self):
        with self.assertRaises(ValueError):
            named_functions([len_of, len_of], None)

    def test_parameters_are_told(self):
        def f(a, b=1, *, c, **more):
            pass
        told = Function(f).describe()
        self.assertEqual((told["parameters"], told["open"]), ([{"name": "a", "required": True}, {"name": "b", "required": False}, {"name": "c", "required": True}], True))


def len_of(text):
    return len(text)


class Embeddings(unittest.TestCase):
    def test_vectors_that_are_no_matrix_of_the_dimension_are_malformed(self):
        for bad in ([[1.0, 2.0]], [[1.0], [2.0]], [[1.0, 2.0], [1.0]]):
            _, _, last = answers(Embedding(lambda texts: bad, dims=2), [], text=["a", "b"])
            self.assertEqual(last["error"]["kind"], "malformed")


class Pieces(unittest.TestCase):
    def test_every_text_is_in_one_piece_longest_first_within_the_budget(self):
        from freshet_worker.embed import pieces
        lengths = [3, 100, 7, 7, 50, 1, 2000, 0]
        cut = [[int(i) for i in p] for p in pieces(lengths, 128)]
        self.assertEqual(sorted(sum(cut, [])), list(range(8)))
        self.assertEqual(cut[0], [6])
        for p in cut:
            longest = max(lengths[i] for i in p)
            self.assertTrue(len(p) == 1 or len(p) * longest <= 128, p)
        self.assertEqual([max(lengths[i] for i in p) for p in cut], sorted((max(lengths[i] for i in p) for p in cut), reverse=True))

    def test_padding_does_not_count(self):
        import numpy as np
        from freshet_worker.embed import pooled, unit
        states = np.array([[[1.0, 0.0], [3.0, 4.0], [9.0, 9.0]]])
        mask = np.array([[1, 1, 0]])
        self.assertEqual(pooled(states, mask, "mean").tolist(), [[2.0, 2.0]])
        self.assertEqual(pooled(states, mask, "cls").tolist(), [[1.0, 0.0]])
        self.assertAlmostEqual(float(np.linalg.norm(unit(np.array([[3.0, 4.0]])))), 1.0)


class Programs(unittest.TestCase):
    def run_program(self, source, *args, **env):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "worker.py")
            with open(path, "w") as f:
                f.write(textwrap.dedent(source))
            return subprocess.run([sys.executable, "-B", path, *args], env=dict(os.environ, PYTHONPATH=MODULE, **env), capture_output=True, text=True,
                                  timeout=60, stdin=subprocess.DEVNULL)

    def test_selfbench_measures_the_embedder(self):
        done = self.run_program("""
            from freshet_worker import Embedding, serve
            serve(Embedding(lambda texts: [[1.0, 2.0] for _ in texts], dims=2))
            """, "--selfbench", "0.1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('"rows_per_second"', done.stdout)

    def test_without_pyarrow_the_line_that_installs_it_is_told(self):
        done = self.run_program("""
            import sys
            sys.modules["pyarrow"] = None
            import freshet_worker
            """)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("-m pip install 'pyarrow", done.stderr)


if __name__ == "__main__":
    unittest.main()
