"""One stage on many GPUs and machines."""


def node_command(stage: str, flags: dict[str, str]) -> list[str]:
    """What every machine of a TrainJob runs; torchrun learns the rest from Trainer's environment (PET_*)."""
    return ["torchrun", "-m", f"components.{stage}", *(word for name, value in flags.items() for word in (f"--{name}", value))]
