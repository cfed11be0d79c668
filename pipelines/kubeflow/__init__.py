"""Calls of the Kubeflow Pipelines API: versions of the pipeline, runs and their progress, recurring runs."""
