"""The server's speed, in about a minute; tests/bench/serving.py takes its time and ResNet-18 too."""

from tests.bench.serving import Effort
from tests.bench.serving import main as measure

QUICK = Effort(wrk=3, runs=3, rate=10, overload=5, memory=10, hostile=100, starts=2)


def main() -> None:
    measure(QUICK, ["resnet9"])


if __name__ == "__main__":
    main()
