"""The compiled pipeline runs on this machine, with its cache, its log files, its progress and its object store."""
