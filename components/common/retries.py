"""Remember bad input between the tries of one task in a pod, so that the second try ends at once with the same line.

Kubernetes tells a pod, in two variables that the compiled pipeline sets, its run (the label `pipeline/runid` of
Kubeflow) and its node (the annotation `workflows.argoproj.io/node-name` of Argo). A node that may be tried again ends
in the number of the try, from (0) on: `digits-x7k2p.root.sample.executor(1)` (argo-workflows,
workflow/controller/operator.go; kubeflow/pipelines, backend/src/v2/compiler/argocompiler/container.go). *Retry* in
Kubeflow's UI forgets failed nodes and so begins anew at (0) (backend/src/common/util/workflow.go,
GenerateRetryExecution), after a person may have mended the input: a first try forgets what it finds.

    runs/<run>/failures/<stage>-<12 hexadecimal digits of the node>.json     {"line": what the stage said}

Where the store cannot be read or written nothing is remembered: the stage's own error is the one to be told.
"""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from components.common.errors import BadInputError
from components.common.files import json_text, sha256_json
from components.common.storage import open_store

RUN, NODE = "GLEANER_RUN", "GLEANER_NODE"
TRY = re.compile(r"(.+)\(\d+\)")


def recall(stage: str, store: str) -> None:
    """BadInputError where an earlier try of this task ended by it; a first try forgets one that is left of before."""
    key = _key(stage)
    if not key:
        return
    line = ""
    with suppress(Exception):
        place = open_store(store)
        if os.environ[NODE].endswith("(0)"):
            place.delete(key)
        else:
            line = json.loads(place.read(key))["line"]
    if line:
        raise BadInputError(line)


@contextmanager
def remembering(stage: str, store: str) -> Iterator[None]:
    """Keep the line of a BadInputError that ends the block, where this is a pod that may be tried again."""
    try:
        yield
    except BadInputError as error:
        if key := _key(stage):
            with suppress(Exception):
                open_store(store).write(key, json_text({"line": str(error)}).encode())
        raise


def _key(stage: str) -> str:
    """Where the store keeps the failure of this task, parallel ones each their own; empty where nothing is tried
    again.
    """
    run, node = os.environ.get(RUN), TRY.fullmatch(os.environ.get(NODE, ""))
    return f"runs/{run}/failures/{stage}-{sha256_json(node[1])[:12]}.json" if run and node else ""
