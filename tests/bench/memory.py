"""Peak memory of ingest at ten times the images: that of the stage's largest process."""

from tests.bench.ingest import ingest, world

COUNTS = (20_000, 200_000)


def main() -> None:
    peaks = []
    for count in COUNTS:
        with world(count) as (root, server):
            done = ingest(root, server.endpoint, server, "shards")
        peaks.append(done.memory)
        print(
            f"ingest of {count:,} PNGs of 28x28 pixels: {done.memory / 1e6:.0f} MB at most, {done.seconds:.0f} "
            f"s, {done.images:,} kept",
            flush=True,
        )
    print(f"  ratio of the memory {peaks[1] / peaks[0]:.2f}\n", flush=True)
