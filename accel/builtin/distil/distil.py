"""Makes vectors.bin and testdata/pieces.json of the package builtin; README.md tells how, and what came out.

    distil.py corpus DIR --debian PACKAGES.lz4 TRANSLATION.lz4 --wordnet FOLDER   texts.json, about 300,000 texts
    distil.py teach DIR --model FOLDER --onnx FILE [--texts N]                    what the teacher says of N of them
    distil.py fit DIR --model FOLDER --out FILE                                   the vectors
    distil.py score DIR --model FOLDER --vectors FILE                             their quality on texts held out
    distil.py golden --model FOLDER --out FILE                                    pieces as the reference cuts them
"""

import argparse
import ast
import glob
import hashlib
import json
import os
import random
import re
import subprocess
import sysconfig

import numpy as np
import scipy.sparse as sparse
from tokenizers import Tokenizer

ROWS, COLUMNS = 30522, 256
LONGEST = 64  # tokens of a text that the teacher reads, its two marks included
NOWHERE = range(0, 999)  # padding, unknown, marks and unused rows: no text has them


# Texts


def unpacked(path):
    return subprocess.run(["lz4cat", path], capture_output=True, check=True).stdout.decode("utf-8", "replace")


def debian(packages, translation):
    """Yields source package, short and long description (as paragraphs) of every binary package."""
    source, name = {}, None
    for line in unpacked(packages).split("\n"):
        if line.startswith("Package: "):
            name = line[9:]
        elif line.startswith("Source: "):
            source[name] = line[8:].split(" ")[0]
    for stanza in unpacked(translation).split("\n\n"):
        m = re.match(r"Package: (\S+)\nDescription-md5: \S+\nDescription-en: (.*)\n?([\s\S]*)", stanza)
        if m:
            paragraphs = [" ".join(p.split()) for p in re.split(r"\n \.\n", m[3])]
            yield source.get(m[1], m[1]), m[2].strip(), [p for p in paragraphs if p]


def wordnet(folder):
    """Yields each set of synonyms with its gloss, and the examples of use."""
    for part in "noun", "verb", "adj", "adv":
        for line in open(f"{folder}/data.{part}", encoding="latin-1"):
            if line.startswith("  "):
                continue
            head, gloss = line.split(" | ", 1)
            fields = head.split()
            words = [fields[4 + 2 * i].replace("_", " ").split("(")[0] for i in range(int(fields[3], 16))]
            said = [s.strip().strip('"') for s in re.split(r'; (?=")', gloss.strip())]
            yield "gloss", f"{', '.join(words)}: {said[0]}"
            for example in said[1:]:
                yield "example", example


def docstrings():
    """Yields the first paragraphs of the docstrings of Python's standard library."""
    top = sysconfig.get_paths()["stdlib"]
    for path in sorted(glob.glob(top + "/**/*.py", recursive=True)):
        if re.search(r"site-packages|/test|/idlelib", path):
            continue
        try:
            tree = ast.parse(open(path, encoding="utf-8").read())
        except (SyntaxError, UnicodeDecodeError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module)) and ast.get_docstring(node):
                for paragraph in re.split(r"\n\s*\n", ast.get_docstring(node))[:3]:
                    if ">>>" not in paragraph and len(paragraph) > 30:
                        yield paragraph


def is_held_out(source):
    return hashlib.sha256(source.encode()).digest()[0] < 32  # one source package of eight


def corpus(args):
    texts, seen, held, shown = {}, set(), {}, set()
    packages = list(debian(*args.debian))
    for source, short, paragraphs in packages:
        if is_held_out(source):
            shown.update(p.lower() for p in [short, *paragraphs])
            held.setdefault(source, (short, " ".join(paragraphs)))

    def add(kind, text):
        text = " ".join(text.split())
        if len(text) >= 8 and text.lower() not in seen and text.lower() not in shown:
            seen.add(text.lower())
            texts.setdefault(kind, []).append(text)

    for source, short, paragraphs in packages:
        if not is_held_out(source):
            add("short", short)
            for paragraph in paragraphs:
                add("long", paragraph)
    for kind, text in wordnet(args.wordnet):
        add(kind, text)
    for text in docstrings():
        add("docstring", text)
    pairs = sorted({long: (short, long) for short, long in held.values() if len(long) > 40}.values())
    random.Random(7).shuffle(pairs)
    with open(args.dir + "/texts.json", "w") as f:
        json.dump({"texts": texts, "held": pairs[:4000]}, f)
    print({kind: len(t) for kind, t in texts.items()}, "held out:", len(pairs[:4000]))


# Teacher


def tokenizer(folder):
    t = Tokenizer.from_file(folder + "/tokenizer.json")
    t.no_padding()
    t.no_truncation()
    return t


class Teacher:
    def __init__(self, onnx):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(onnx, options)

    def vectors(self, ids):
        out = np.zeros((len(ids), 384), np.float16)
        for start in range(0, len(ids), 2048):  # of like lengths within each window, so that little is padding
            window = sorted(range(start, min(start + 2048, len(ids))), key=lambda i: len(ids[i]))
            for at in range(0, len(window), 32):
                part = window[at : at + 32]
                out[part] = self.batch([ids[i] for i in part])
            print(f"{start + len(window)} of {len(ids)}", flush=True)
        return out

    def batch(self, ids):
        tokens = np.zeros((len(ids), max(map(len, ids))), np.int64)
        mask = np.zeros_like(tokens)
        for i, one in enumerate(ids):
            tokens[i, : len(one)] = one
            mask[i, : len(one)] = 1
        said = self.session.run(
            None, {"input_ids": tokens, "attention_mask": mask, "token_type_ids": np.zeros_like(tokens)}
        )[0]
        return unit((said * mask[..., None]).sum(1) / mask.sum(1, keepdims=True))


def teach(args):
    os.nice(10)
    with open(args.dir + "/texts.json") as f:
        known = json.load(f)
    share = {"short": 0.26, "long": 0.23, "gloss": 0.33, "example": 0.13, "docstring": 0.05}
    rng, chosen = random.Random(1), []
    for kind, part in share.items():
        rng.shuffle(known["texts"][kind])
        chosen += known["texts"][kind][: int(part * args.texts)]
    rng.shuffle(chosen)
    cutter = tokenizer(args.model)
    cutter.enable_truncation(LONGEST)
    cut = lambda texts: [e.ids for e in cutter.encode_batch(texts)]
    teacher = Teacher(args.onnx)
    np.savez(args.dir + "/taught.npz", texts=teacher.vectors(cut(chosen)),
             words=teacher.vectors([[101, row, 102] for row in range(ROWS)]),
             short=teacher.vectors(cut([p[0] for p in known["held"]])),
             long=teacher.vectors(cut([p[1] for p in known["held"]])))
    with open(args.dir + "/chosen.json", "w") as f:
        json.dump(chosen, f)


# Student


def unit(x):
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-9)


def bags(cutter, texts, longest=None):
    """The weight of each piece in each text: the square root of how often it is there."""
    ids = [e.ids[1:-1][:longest] for e in cutter.encode_batch(texts)]
    ends = np.cumsum([0] + [len(i) for i in ids])
    bag = sparse.csr_matrix((np.ones(ends[-1], np.float32), np.concatenate(ids).astype(np.int32), ends), (len(ids), ROWS))
    bag.sum_duplicates()
    bag.data = np.sqrt(bag.data)
    return bag


def solve(a, b, start, pull, steps=40):
    """Minimises |a x - b|^2 + pull |x - start|^2 by conjugate gradients, all columns at once."""
    at = a.T.tocsr()
    apply = lambda x: at @ (a @ x) + pull * x
    scale = 1 / (np.asarray(a.multiply(a).sum(0)).ravel() + pull)[:, None]
    x = start.copy()
    r = at @ b + pull * start - apply(x)
    z = r * scale
    p, rz = z.copy(), (r * z).sum(0)
    for _ in range(steps):
        q = apply(p)
        alpha = rz / ((p * q).sum(0) + 1e-20)
        x += alpha * p
        r -= alpha * q
        z = r * scale
        new = (r * z).sum(0)
        p = z + new / (rz + 1e-20) * p
        rz = new
    return x


def fit(args):
    taught = np.load(args.dir + "/taught.npz")
    with open(args.dir + "/chosen.json") as f:
        a = bags(tokenizer(args.model), json.load(f), LONGEST - 2)
    y, words = taught["texts"].astype(np.float32), taught["words"].astype(np.float32)
    y -= y.mean(0)  # what all texts share tells none from another
    _, axes = np.linalg.eigh(y.T @ y)
    axes = axes[:, ::-1][:, :COLUMNS]
    # A piece begins as what the teacher says of it alone, the less the more frequent it is.
    often = np.asarray(a.sum(0)).ravel()
    often /= often.sum()
    start = (words - words.mean(0)) @ axes * (1e-3 / (1e-3 + often))[:, None].astype(np.float32)
    # A sum of n pieces is measured by its square root: neither short nor long texts rule.
    a = (sparse.diags(np.asarray(a.sum(1)).ravel() ** -0.5) @ a).tocsr().astype(np.float32)
    x = solve(a, y @ axes, start, args.pull)
    x[NOWHERE] = 0
    np.clip(np.rint(x * (127 / np.abs(x).max())) + 128, 1, 255).astype(np.uint8).tofile(args.out)
    print("sha256", hashlib.sha256(open(args.out, "rb").read()).hexdigest())


def rank(name, questions, answers):
    likeness = unit(questions.astype(np.float32)) @ unit(answers.astype(np.float32)).T
    place = 1 + (likeness > likeness.diagonal()[:, None]).sum(1)
    print(f"{name}: R@10 {(place <= 10).mean():.3f}, MRR {(1 / place).mean():.3f}")


def score(args):
    with open(args.dir + "/texts.json") as f:
        held = json.load(f)["held"]
    taught = np.load(args.dir + "/taught.npz")
    rank("teacher", taught["short"], taught["long"])
    vectors = np.fromfile(args.vectors, np.uint8).reshape(ROWS, COLUMNS).astype(np.float32) - 128
    short, long = (bags(tokenizer(args.model), [p[i] for p in held]) for i in (0, 1))
    for columns in (256, 128, 64):
        rank(f"{columns} numbers", short @ vectors[:, :columns], long @ vectors[:, :columns])


# Pieces


def golden(args):
    rng = random.Random(3)
    texts = [
        "The quick brown fox jumps over the lazy dog.", "", " \t\r\n ", "don't stop-the_world's (re)election!?", "a" * 100, "a" * 101,
        "Crème brûlée, ΣΊΣΥΦΟΣ ὈΔΥΣΣΕΎΣ, Ёлка й, İstanbul ıI, straße ẞ, Ångström Å, ﬁne ﬀ", "東京都は日本の首都です。カタカナ ｶﾞ が か\u3099",
        "안녕하세요 세계 \u1112\u1161\u11ab", "สวัสดีชาวโลก", "नमस्ते दुनिया", "שָׁלוֹם", "السَّلامُ عليكم", "snake_case x1 42 3.14 -7e10 0xff",
        "naïve\u200bco\u00adop\ufeff zero\u200dwidth", "a\x00b\x01c\x7fd\x0be\x0cf\x85g\x1fh", "nbsp\u00a0thin\u2009line\u2028para\u2029ideo\u3000x",
        "🙂🙃 👩‍👩‍👧 ☃ ™ © € £ ¥ § ¶ † • … “quoted” ‘single’ –—―", "\ue000private\U000f0000", "U+FFFD\ufffdhere", "ⅷ Ⅷ ½ ² ① ㍿", "unaffable", "embeddings",
        "[unused5] ##ing [x]", "supercalifragilisticexpialidocious", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𠀀𪜀", "e\u0301\u0323e\u0323\u0301 q\u0307\u0323", "ÀÉÎÕÜ ǅ ǆ Ǆ ŉ",
    ]
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 '.-_/#ßéÉñøØłŁąÇçώΩжЖ中日あア한กא\u0301\u200d\u00a0"
    texts += ["".join(rng.choices(letters, k=rng.randrange(1, 40))) for _ in range(400)]
    cutter = tokenizer(args.model)
    with open(args.out, "w") as f:
        for text in texts:
            ids = [i for i in cutter.encode(text, add_special_tokens=False).ids if i != 100]
            f.write(json.dumps({"text": text, "pieces": ids}) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    for verb in (corpus, teach, fit, score, golden):
        p = verbs.add_parser(verb.__name__)
        p.set_defaults(run=verb)
        if verb is not golden:
            p.add_argument("dir")
        if verb is corpus:
            p.add_argument("--debian", nargs=2, required=True)
            p.add_argument("--wordnet", required=True)
        else:
            p.add_argument("--model", required=True)
        if verb is teach:
            p.add_argument("--onnx", required=True)
            p.add_argument("--texts", type=int, default=180000)
        if verb in (fit, golden):
            p.add_argument("--out", required=True)
        if verb is fit:
            p.add_argument("--pull", type=float, default=0.1)
        if verb is score:
            p.add_argument("--vectors", required=True)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
