"""How a program becomes a worker."""
import argparse
import json
import sys

from .function import named_functions


def serve(*functions, revision=None, load=None, argv=None):
    """Serves functions until whoever asks is done: a flow that has started this program, or, with --listen, everybody.

    revision stands for what the answers depend on: rows are computed anew when it changes. Without it, it is a hash of the
    file that holds the function. load is called once before the first batch, and not when the flow is only checked.
    """
    by_name = named_functions(functions, revision)
    options = parser().parse_args(argv)
    if options.describe:
        from .function import description
        print(json.dumps(description(by_name, credits=2), indent=2))
    elif options.selfbench is not None:
        from .selfbench import run
        run(by_name, load, options.selfbench)
    elif options.listen:
        from .flight_server import run
        run(by_name, load, options)
    elif sys.stdin.isatty():
        sys.exit("freshet_worker: a flow starts this program (`worker: [python3, ./worker.py]`); --listen makes it a server, --describe tells what it serves")
    else:
        from .stdio import run
        run(by_name, load)


def parser():
    p = argparse.ArgumentParser(description="A worker of Freshet. Without options a flow talks with it over standard input and output.")
    p.add_argument("--listen", metavar="URL", help="be a server: grpc://127.0.0.1:8815, grpc+tls://0.0.0.0:8815 or unix:/path/of.sock")
    p.add_argument("--tls-cert", metavar="FILE", help="certificate of the server, for grpc+tls")
    p.add_argument("--tls-key", metavar="FILE", help="its key")
    p.add_argument("--tls-client-ca", metavar="FILE", help="take only clients with a certificate of this authority")
    p.add_argument("--describe", action="store_true", help="tell what is served, and end")
    p.add_argument("--selfbench", metavar="SECONDS", type=float, nargs="?", const=10.0,
                   help="measure the embedder of this worker alone, without an engine: what a flow is compared with")
    return p
