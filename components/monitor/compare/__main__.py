from components.common.cli import main
from components.monitor.compare.stage import run

if __name__ == "__main__":
    main(run)
