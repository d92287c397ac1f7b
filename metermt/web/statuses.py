"""Which status, and which headers, HTTP has for an error."""

from http import HTTPStatus

from metermt import errors

_STATUSES: dict[type[errors.Error], HTTPStatus] = {
    errors.TooManyFailures: HTTPStatus.TOO_MANY_REQUESTS,
    errors.AccountDisabled: HTTPStatus.FORBIDDEN,
    errors.LoginError: HTTPStatus.UNAUTHORIZED,
    errors.SessionError: HTTPStatus.UNAUTHORIZED,
    errors.RoleError: HTTPStatus.FORBIDDEN,
    errors.ConfirmReading: HTTPStatus.CONFLICT,
    errors.CycleClosed: HTTPStatus.CONFLICT,
    errors.MeterExchanged: HTTPStatus.CONFLICT,
    errors.MeterLeased: HTTPStatus.CONFLICT,
    errors.AlreadyRead: HTTPStatus.CONFLICT,
    errors.DecisionError: HTTPStatus.CONFLICT,
    errors.CallError: HTTPStatus.BAD_REQUEST,
    errors.StoreRefused: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.StoreError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.ServerBusy: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.DeadlineExceeded: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.InternalError: HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""Of a class, and of its descendants that are not named themselves. Any other error says that a request makes no sense
as things are: 422."""

STATUSES = sorted(
    {
        *_STATUSES.values(),
        HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.METHOD_NOT_ALLOWED,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    }
)
"""All that an answer may have besides 200."""

_LATER = "1"  # seconds until the next try, where the error does not say


def status_of(error: errors.Error) -> HTTPStatus:
    """Return the status that says most of an error."""
    for kind in type(error).__mro__:
        if kind in _STATUSES:
            return _STATUSES[kind]
    return HTTPStatus.UNPROCESSABLE_ENTITY


def headers_of(error: errors.Error) -> dict[str, str]:
    """Return what HTTP says in headers of an error."""
    match status_of(error):
        case HTTPStatus.UNAUTHORIZED:
            return {"WWW-Authenticate": "Bearer"}
        case HTTPStatus.TOO_MANY_REQUESTS | HTTPStatus.SERVICE_UNAVAILABLE:
            return {"Retry-After": str(error.details.get("seconds", _LATER))}
    return {}
