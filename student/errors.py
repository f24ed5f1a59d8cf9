"""What the student raises: one line that says where, what came, what was wanted, and what to do."""


class StudentError(Exception):
    """A mistake that the user can mend."""

    exit_code = 2
