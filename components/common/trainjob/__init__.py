"""One stage on many machines: a small pod starts a TrainJob of Kubeflow Trainer and stands for it until it ends.

launch.py    inputs to the store, the job, outputs back; cancellation
spec.py      what the environment asks for, the job's name and its object
cluster.py   the API server, asked again where another try may help; the only module that knows the kubernetes
client
claim.py     a job of that name: created, or found where another launcher made it
owners.py    the runs that a job belongs to; it goes with the last of them
place.py     where in the store a job's inputs and outputs lie
watch.py     list, then watch, then list again, whatever breaks
follow.py    what a person reads while it waits and trains, until it ends
logs.py      the log of node 0, over restarts of pod, connection and launcher
failure.py   which pod failed first, and its last error, in one line
"""
