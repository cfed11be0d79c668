from components.common.cli import main
from components.ingest.stage import run_pack

if __name__ == "__main__":
    main(run_pack)
