"""A workload whose own loss raises: its file and line must come out in the study's reason."""

from table import build_model, load_data  # noqa: F401


def broken(batch):
    return batch.outputs["heat"] / len(undefined_name)  # noqa: F821


losses = {"broken": broken}
