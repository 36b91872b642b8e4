"""Errors that a user can cause. Each carries one sentence that names the value and the fix, and the exit code of its kind."""


class GanbenchError(Exception):
    """Base of every error that ganbench raises on purpose; its text is shown as it is, without a traceback."""

    exit_code = 1


class RunFailedError(GanbenchError):
    """A run, or a worker process that held it, failed."""

    exit_code = 1


class UsageError(GanbenchError):
    """A name, an option or a configuration that cannot be right."""

    exit_code = 2


class MissingDataError(GanbenchError):
    """Data or weights that are not on this machine."""

    exit_code = 3


class InvalidInputError(GanbenchError):
    """Input that is there but is not what it should be: a truncated file, a NaN, a record of another schema."""

    exit_code = 4


def unknown_name(kind: str, name: str, known: list[str]) -> UsageError:
    """The error for a `kind` ("variant", "metric", ...) called `name` that is none of `known`; suggests the nearest one."""
    import difflib

    near = [other for other in known if other.lower() == name.lower()] or difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    # Swapped letters are the commonest slip: of the near names, one of the same letters comes first (the sort is stable).
    near.sort(key=lambda other: sorted(other) != sorted(name))
    hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}."
    return UsageError(f"There is no {kind} called {name!r}; {hint}")


def described(error: BaseException) -> str:
    """The kind of an error and the first line that it says."""
    first = str(error).strip().splitlines()[:1]
    return f"{type(error).__name__}: {first[0] if first else 'no message'}"
