from components.common.cli import main
from components.predict.answer.stage import run

if __name__ == "__main__":
    main(run)
