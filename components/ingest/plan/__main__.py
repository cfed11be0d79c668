from components.common.cli import main
from components.ingest.stage import run_plan

if __name__ == "__main__":
    main(run_plan)
