"""The DAG and a configuration become compiled pipelines, objects for Argo CD and a picture."""
