from components.calibrate.stage import run
from components.common.cli import main

if __name__ == "__main__":
    main(run)
