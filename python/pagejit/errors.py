"""What pagejit raises. Every class is an `Error`; those of bad arguments are `ValueError`s as well."""


class Error(RuntimeError):
    """A call that failed. It has launched nothing and touched no buffer.

    Attributes:
        code: The number behind "PJ" in the text: 1 for PJ0001. docs/cache-operations.md says what to do about each.
        message: The first line, without the code.
        fields: Names and values that say more, in order, such as `("to do", "…")`.
    """

    code: int = 0
    message: str = ""
    fields: tuple[tuple[str, str], ...] = ()


class ArgumentError(Error, ValueError):
    """PJ0001: an argument is invalid; the text says which, what it was and what was expected."""


class UnsupportedError(Error):
    """PJ0002: the kernel cannot be had on this target."""


class CacheMissError(Error):
    """PJ0003: the kernel is not cached, and nothing may be compiled here."""


class CompileError(Error):
    """PJ0004: compiling or assembling failed."""


class CaptureError(Error):
    """PJ0005: the kernel is not loaded yet and the stream is capturing a graph: `prepare` it before."""


class SealedError(Error):
    """PJ0006: a kernel would be compiled after `seal`."""


class CacheError(Error):
    """PJ0008, PJ0009, PJ0010: a cache entry is damaged, its folder is unsafe, or its signature is wrong."""


class DeadlineError(Error, TimeoutError):
    """PJ0011: a deadline passed."""


class AbsentError(Error):
    """PJ0012: a program, a library or a device is absent."""


class DriverError(Error):
    """PJ0007, PJ0013: the driver refused something."""


_classes: dict[int, type[Error]] = {
    1: ArgumentError,
    2: UnsupportedError,
    3: CacheMissError,
    4: CompileError,
    5: CaptureError,
    6: SealedError,
    7: DriverError,
    8: CacheError,
    9: CacheError,
    10: CacheError,
    11: DeadlineError,
    12: AbsentError,
    13: DriverError,
}


def make(code: int, text: str, message: str, fields: list[tuple[str, str]]) -> Error:
    """The exception of a code. Called by the compiled part."""
    error = _classes.get(code, Error)(text)
    error.code = code
    error.message = message
    error.fields = tuple(fields)
    return error
