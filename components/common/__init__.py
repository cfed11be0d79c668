"""What several stages share; nothing here knows Kubeflow but `component`."""
