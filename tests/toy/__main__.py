from components.common.cli import main
from tests.toy.stage import run

main(run)
