"""The worker alone, without an engine: what the rate of a flow is compared with."""
import json
import sys
import time

WORDS = "the river carries meltwater past old mills and new towns to a grey sea under changing light".split()


def corpus(count):
    """Texts of 4 to 120 words, the same each time."""
    state, texts = 1, []
    for _ in range(count):
        state = state * 6364136223846793005 + 1442695040888963407 & (1 << 64) - 1
        length = 4 + int(116 * ((state >> 33) / (1 << 31)) ** 3)
        texts.append(" ".join(WORDS[((state >> 11) + i * 7) % len(WORDS)] for i in range(length)))
    return sorted(texts, key=len)


def run(by_name, load, seconds, batch=64, batches=4):
    if load is not None:
        load()
    embedders = [f for f in by_name.values() if f.kind == "embed"]
    if not embedders:
        sys.exit("freshet_worker: --selfbench measures embedders, and this worker serves none")
    texts = corpus(batch * batches)
    parts = [texts[at:at + batch] for at in range(0, len(texts), batch)]
    for e in embedders:
        e.fn(parts[0])  # whatever is made at the first call
        count, begun, spent = 0, time.perf_counter(), 0
        while spent < seconds:  # whole passes, so that every length counts alike
            for part in parts:
                e.fn(part)
            count += len(texts)
            spent = time.perf_counter() - begun
        print(json.dumps({"function": e.name, "revision": e.revision, "dims": e.dims, "rows_per_second": round(count / spent, 1), "batch": batch}))
