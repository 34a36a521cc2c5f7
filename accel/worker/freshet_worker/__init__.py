"""Workers for Freshet: any Python function as a step of a flow, any Python model as an embedder.

    from freshet_worker import serve

    def shout(text):
        return {"loud": text.upper()}

    serve(shout)

A flow that names a command (`worker: [python3, ./worker.py]`) starts this program, talks with it over its standard input
and output, and ends it. What the program prints goes to the log of the flow. With `--listen grpc://127.0.0.1:8815` or
`--listen unix:/run/worker.sock` the same program is a server that flows reach over Arrow Flight.
"""
try:
    import pyarrow as _pyarrow  # noqa: F401
except ImportError as missing:
    import sys as _sys

    _sys.exit(f"freshet_worker: pyarrow is not installed for {_sys.executable} ({missing}); install it with\n"
              f"    {_sys.executable} -m pip install 'pyarrow>=16'")

from .function import Unavailable, batched
from .embedding import Embedding
from .serving import serve

__all__ = ["Embedding", "Unavailable", "batched", "serve"]
__version__ = "1"
