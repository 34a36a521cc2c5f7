"""A worker for an embedding model: python -m freshet_worker.embed --model BAAI/bge-small-en-v1.5 --device cuda --dtype fp16

The model is a folder or a name of the Hugging Face hub. It runs with sentence-transformers or transformers (both on PyTorch) or
with ONNX Runtime, whichever is installed; an .onnx file is for ONNX Runtime. Texts of a batch are sorted by length and computed
in pieces that hold at most --tokens, padding included. With --devices 0,1 a process is started for each GPU; the one for the
second listens at the next port.
"""
import argparse
import glob
import hashlib
import importlib.util
import json
import os
import signal
import subprocess
import sys

import numpy as np

from . import Embedding, serve

WEIGHTS = ("*.safetensors", "pytorch_model*.bin", "*.onnx")


def pieces(lengths, budget):
    """Places of texts, longest first, in pieces whose rows times longest length stay within the budget."""
    order = np.argsort(lengths, kind="stable")[::-1]
    at = 0
    while at < len(order):
        longest = max(1, int(lengths[order[at]]))
        size = max(1, budget // longest)
        yield order[at:at + size]
        at += size


def pooled(states, mask, how):
    """One vector for each text of the states of its tokens."""
    if how == "cls":
        return states[:, 0]
    weights = mask[:, :, None].astype(states.dtype)
    return (states * weights).sum(1) / np.maximum(weights.sum(1), 1e-9)


def unit(vectors):
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


class Model:
    """What the runtimes have in common: tokens, order, pieces."""

    def __init__(self, options):
        self.options = options

    def __call__(self, texts):
        ids = self.tokenize(texts)
        lengths = np.array([len(x) for x in ids])
        vectors = np.empty((len(texts), self.dims), np.float32)
        for piece in pieces(lengths, self.options.tokens):
            longest = max(1, int(lengths[piece].max()))
            matrix = np.full((len(piece), longest), self.pad, np.int64)
            mask = np.zeros((len(piece), longest), np.int64)
            for row, place in enumerate(piece):
                matrix[row, :len(ids[place])], mask[row, :len(ids[place])] = ids[place], 1
            vectors[piece] = unit(self.compute(matrix, mask))
        return vectors, lengths.astype(np.int32)


class Onnx(Model):
    """ONNX Runtime with the tokenizer.json beside the model."""

    def __init__(self, options):
        super().__init__(options)
        import onnxruntime
        from tokenizers import Tokenizer

        path = options.model if options.model.endswith(".onnx") else sorted(glob.glob(os.path.join(options.model, "**", "*.onnx"), recursive=True))[0]
        self.tokenizer = Tokenizer.from_file(options.tokenizer or beside(path, "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(options.max_length)
        self.pad = self.tokenizer.token_to_id("[PAD]") or 0
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = options.threads
        providers = ["CUDAExecutionProvider", "CPUExecutionProvider"] if options.device.startswith("cuda") else ["CPUExecutionProvider"]
        self.session = onnxruntime.InferenceSession(path, settings, providers=providers)
        self.inputs = [i.name for i in self.session.get_inputs()]
        self.dims = options.dims or self.compute(np.array([[1]]), np.array([[1]])).shape[-1]

    def tokenize(self, texts):
        return [e.ids for e in self.tokenizer.encode_batch(texts)]

    def compute(self, ids, mask):
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        states = self.session.run(None, {name: given[name] for name in self.inputs})[0]
        return (states if states.ndim == 2 else pooled(states, mask, self.options.pooling)).astype(np.float32)


class Transformers(Model):
    """PyTorch with the transformers library; the tokens are padded here, not there."""

    def __init__(self, options):
        super().__init__(options)
        import torch
        from transformers import AutoModel, AutoTokenizer

        self.torch = torch
        self.tokenizer = AutoTokenizer.from_pretrained(options.model)
        kind = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[options.dtype]
        self.model = AutoModel.from_pretrained(options.model, torch_dtype=kind).to(options.device).eval()
        self.pad, self.dims = self.tokenizer.pad_token_id or 0, self.model.config.hidden_size

    def tokenize(self, texts):
        return self.tokenizer(texts, truncation=True, max_length=self.options.max_length)["input_ids"]

    def compute(self, ids, mask):
        with self.torch.inference_mode():
            given = {"input_ids": self.torch.from_numpy(ids), "attention_mask": self.torch.from_numpy(mask)}
            given = {name: x.to(self.options.device, non_blocking=True) for name, x in given.items()}
            states, m = self.model(**given)[0], given["attention_mask"][:, :, None]
            vectors = states[:, 0] if self.options.pooling == "cls" else (states * m).sum(1) / m.sum(1).clamp(min=1)
            return vectors.float().cpu().numpy()


class SentenceTransformers(Transformers):
    """The same with the pooling that the model names itself."""

    def __init__(self, options):
        from sentence_transformers import SentenceTransformer

        Model.__init__(self, options)
        import torch

        self.torch = torch
        self.model = SentenceTransformer(options.model, device=options.device)
        if options.dtype != "fp32":
            self.model = self.model.half() if options.dtype == "fp16" else self.model.bfloat16()
        self.model.max_seq_length = min(options.max_length, self.model.max_seq_length or options.max_length)
        self.pad, self.dims = self.model.tokenizer.pad_token_id or 0, self.model.get_sentence_embedding_dimension()

    def tokenize(self, texts):
        return self.model.tokenizer(texts, truncation=True, max_length=self.model.max_seq_length)["input_ids"]

    def compute(self, ids, mask):
        with self.torch.inference_mode():
            given = {"input_ids": self.torch.from_numpy(ids).to(self.options.device), "attention_mask": self.torch.from_numpy(mask).to(self.options.device)}
            return self.model(given)["sentence_embedding"].float().cpu().numpy()


def beside(path, name):
    """A file beside the model, or in the folder above."""
    for folder in (os.path.dirname(path), os.path.dirname(os.path.dirname(path))):
        if os.path.exists(os.path.join(folder, name)):
            return os.path.join(folder, name)
    sys.exit(f"freshet_worker: there is no {name} beside {path}; name it with --tokenizer")


RUNTIMES = {"sentence-transformers": (SentenceTransformers, "sentence_transformers"), "transformers": (Transformers, "transformers"), "onnx": (Onnx, "onnxruntime")}


def runtime(options):
    """The class that runs the model: the one that is asked for, else the first that is installed and can."""
    if options.runtime:
        return RUNTIMES[options.runtime][0]
    onnx = options.model.endswith(".onnx") or os.path.isdir(options.model) and not glob.glob(os.path.join(options.model, "*.safetensors"))
    for name, (kind, module) in RUNTIMES.items():
        if (name == "onnx") == onnx and importlib.util.find_spec(module):
            return kind
    wanted = "onnxruntime tokenizers" if onnx else "sentence-transformers"
    sys.exit(f"freshet_worker: nothing that runs {options.model} is installed; {sys.executable} -m pip install {wanted}")


def revision(options, kind):
    """What the vectors depend on: the weights, as far as a look tells, and how they are used."""
    h = hashlib.sha256(json.dumps([kind.__name__, options.pooling, options.max_length, options.dtype]).encode())
    files = [options.model] if os.path.isfile(options.model) else sorted(p for w in WEIGHTS for p in glob.glob(os.path.join(options.model, "**", w), recursive=True))
    if not files:
        h.update(options.model.encode())  # a name of the hub
    for path in files:
        with open(path, "rb") as f:
            h.update(b"%d" % os.path.getsize(path) + f.read(1 << 20))
            f.seek(max(0, os.path.getsize(path) - (1 << 20)))
            h.update(f.read())
    return h.hexdigest()[:16]


def parser():
    p = argparse.ArgumentParser(prog="python -m freshet_worker.embed", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                epilog="Everything else goes to the worker: --listen, --selfbench, --describe, --tls-cert and so on.")
    p.add_argument("--model", required=True, help="a folder, an .onnx file or a name of the hub")
    p.add_argument("--name", default="embed", help="what flows call it")
    p.add_argument("--runtime", choices=RUNTIMES, help="what runs it; whichever is installed")
    p.add_argument("--device", default="cpu", help="cpu, cuda or cuda:1")
    p.add_argument("--devices", help="GPUs, as 0,1,2: a process for each")
    p.add_argument("--dtype", default="fp32", choices=["fp32", "fp16", "bf16"])
    p.add_argument("--pooling", default="mean", choices=["mean", "cls"])
    p.add_argument("--max-length", type=int, default=512, help="tokens of a text that are looked at")
    p.add_argument("--tokens", type=int, default=16384, help="most tokens of a piece, padding included")
    p.add_argument("--tokenizer", help="tokenizer.json, where it does not lie beside the .onnx file")
    p.add_argument("--dims", type=int, help="length of the vectors, where the model does not tell it")
    p.add_argument("--threads", type=int, default=0, help="threads of ONNX Runtime on the CPU; as many as there are cores")
    return p


def for_each_device(devices, argv):
    """Starts a process for each GPU, and ends them all when one ends or it is told to."""
    at = argv.index("--listen") + 1 if "--listen" in argv else None
    if at is None:
        sys.exit("freshet_worker: --devices needs --listen grpc://host:port")
    head, port = argv[at].rsplit(":", 1)
    running = []
    for i, device in enumerate(devices):
        own = [*argv[:at], f"{head}:{int(port) + i}", *argv[at + 1:]]
        running.append(subprocess.Popen([sys.executable, "-m", "freshet_worker.embed", *own, "--device", "cuda"], env=dict(os.environ, CUDA_VISIBLE_DEVICES=device)))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        pid, status = os.wait()
    finally:
        for p in running:
            p.terminate()
    sys.exit(os.waitstatus_to_exitcode(status))


def main(argv=None):
    argv = sys.argv[1:] if argv is None else argv
    options, rest = parser().parse_known_args(argv)
    if options.devices:
        at = argv.index("--devices")
        for_each_device(options.devices.split(","), argv[:at] + argv[at + 2:])
    kind = runtime(options)
    model = kind(options)
    serve(Embedding(model, name=options.name, dims=model.dims, revision=revision(options, kind), tokens=options.tokens), argv=rest)


if __name__ == "__main__":
    main()
