"""The pipeline as a DAG, and everything that configures, compiles, runs and schedules it."""
