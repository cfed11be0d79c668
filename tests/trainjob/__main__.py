from components.common.cli import main
from tests.trainjob.stage import run

main(run)
