from components.common.cli import main
from components.pretrain.stage import run

if __name__ == "__main__":
    main(run, distributed=True)
