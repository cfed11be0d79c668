"""Talk with a Kubeflow Pipelines server: who is there, what it keeps, and a run that is started once."""

LATEST = "latest"
"""What stands for the newest version of a pipeline, at each start anew."""
