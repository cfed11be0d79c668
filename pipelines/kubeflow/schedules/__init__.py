"""Recurring runs of a Kubeflow Pipelines server are made equal to a schedules file in Git."""
