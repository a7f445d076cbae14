"""The training child's main: `python -m search.training.child.runner FD [FD]`, with the descriptors of a pipe that it inherited.

TensorFlow is imported once, with quiet logs. How many threads it has is for the parent to say, by TensorFlow's own variables.
Standard output and error are for logs.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator

from search.processes import collect_seldom, die_with_parent, limit_resources


def main(arguments: list[str]) -> int:
    """Serve orders until `exit`, or until the parent is gone."""
    die_with_parent()
    limit_resources()
    prepare_environment()
    with quiet_stderr():
        from search.training.child.protocol import Channel
        from search.training.child.server import serve

    collect_seldom()
    return serve(Channel([int(argument) for argument in arguments]))


def prepare_environment() -> None:
    """Set what TensorFlow and Keras read when they are imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # else one process takes all of a GPU, whatever it needs
    os.environ["KERAS_BACKEND"] = "tensorflow"
    warnings.filterwarnings("ignore", module="keras|tensorflow")


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Keep back what native code writes to standard error (TensorFlow greets with a dozen lines), unless the block fails."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            yield
        except BaseException:
            aside.seek(0)
            os.write(kept, aside.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
