"""Resources of the pods of batch prediction."""

from components.common.settings import Settings
from pipelines.configuration.resources import TaskResources


# No cache: what a run has answered is kept beside its output until that is whole, and tells by itself what is done.
# Memory is for `processes: 2` of a ResNet-18 and pictures of some megapixels; see `max_memory` for larger ones.
class BatchResources(Settings):
    """Pods task by task: small ones for the listing and the join, those that answer as large as those that learn."""

    split: TaskResources = TaskResources(cpu=0.25, cpu_limit=1, memory="1Gi", cache=False)
    answer: TaskResources = TaskResources(memory="3Gi", timeout_hours=24, cache=False)
    predict: TaskResources = TaskResources(cpu=0.25, cpu_limit=1, memory="2Gi", cache=False)
