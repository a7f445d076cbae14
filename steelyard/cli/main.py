"""The `steelyard` command: its groups of commands, and how each of them ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import Abort, TyperException

from steelyard.cli import caching, checking, control, demo, inspect, page, results, service, submitting, waiting
from steelyard.cli.exit_codes import CommandFailed, Exit, code_of, to_text
from steelyard.cli.output import note
from steelyard.errors import SteelyardError


class OneSentence(TyperGroup):
    """Ends every command with an exit code of ours, and every failure with a sentence in place of a traceback."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        code = self._run(args, complete_var, windows_expand_args, extra)
        if standalone_mode:
            sys.exit(code)
        return code

    def _run(self, args: Sequence[str] | None, complete_var: str | None, windows_expand_args: bool, extra: dict[str, Any]) -> int:
        try:
            ended = super().main(args, "steelyard", complete_var, False, windows_expand_args, **extra)
        except TyperException as error:
            return _failed(_usage(error), Exit.REFUSED)
        except Abort:
            return _failed("given up", Exit.REFUSED)
        except CommandFailed as error:
            return _failed(str(error), error.code)
        except SteelyardError as error:
            return _failed(to_text(error), code_of(error))
        except OSError as error:
            return _failed(f"{error.filename or 'a file'}: {error.strerror or error}", Exit.REFUSED)
        except Exception as error:
            if os.environ.get("STEELYARD_DEBUG"):
                raise
            text = f"an unexpected fault, {type(error).__name__}: {error} (STEELYARD_DEBUG=1 shows where)"
            return _failed(text, Exit.REFUSED)
        return int(ended or 0)


def _failed(text: str, code: Exit) -> int:
    note(f"steelyard: {text}")
    return code


def _usage(error: TyperException) -> str:
    context = getattr(error, "ctx", None)
    text = error.format_message().rstrip(".")
    return f"{text} (see: {context.command_path} --help)" if context is not None else text


app = typer.Typer(
    cls=OneSentence,
    help="Search the loss weights of a multi-output Keras model.",
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


@app.callback(invoke_without_command=True)
def _top(
    context: typer.Context, version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False
) -> None:
    if version:
        from steelyard.version import version as installed

        typer.echo(installed())
        raise typer.Exit(Exit.COMPLETE)
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


for _group in (service, demo, checking, submitting, inspect, page, waiting, results, control, caching):
    _group.register(app)


def main() -> None:
    """Run the command line and exit."""
    app()
