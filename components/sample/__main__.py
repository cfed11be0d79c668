from components.common.cli import main
from components.sample.stage import run

if __name__ == "__main__":
    main(run)
