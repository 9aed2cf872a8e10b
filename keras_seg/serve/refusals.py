"""What a server answers where it has no result, as a status of HTTP and of gRPC."""


class RefusedError(Exception):
    """A request without a result; its text is the answer."""

    http_status = 500
    grpc_status = "INTERNAL"


class InvalidError(RefusedError):
    """The request is wrong and will not succeed if it is repeated."""

    http_status = 400
    grpc_status = "INVALID_ARGUMENT"


class MissingError(RefusedError):
    """There is no such model, version or route."""

    http_status = 404
    grpc_status = "NOT_FOUND"


class TooLargeError(RefusedError):
    """The body of a request is larger than the server reads."""

    http_status = 413
    grpc_status = "RESOURCE_EXHAUSTED"


class BusyError(RefusedError):
    """Too many requests wait; a later repetition may succeed."""

    http_status = 503
    grpc_status = "UNAVAILABLE"
