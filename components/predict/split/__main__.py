from components.common.cli import main
from components.predict.split.stage import run

if __name__ == "__main__":
    main(run)
