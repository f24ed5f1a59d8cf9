"""The student's own command line: `python -m student rewrite` and `python -m student pretrain`."""

import logging
import sys

import typer

from student.errors import StudentError
from student.pretrain_command import check_copying, pretrain
from student.rewrite_command import rewrite

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.command()(rewrite)
app.command()(pretrain)
app.command("check-copying")(check_copying)


def main() -> None:
    """Every error that a user can mend is one line on stderr and exit code 2."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        app()
    except StudentError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
