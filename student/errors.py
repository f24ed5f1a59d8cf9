"""What the student raises: one line that says where, what came, what was wanted, and what to do."""


class StudentError(Exception):
    """A mistake that the user can mend."""

    exit_code = 2


class NoNumberError(StudentError):
    """A loss or gradient that is no number. It is shared by all workers of a training, so all of them raise it."""
