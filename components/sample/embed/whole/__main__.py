from components.common.cli import main
from components.sample.embed.whole.stage import run

if __name__ == "__main__":
    main(run)
