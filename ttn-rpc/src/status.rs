//! Errors of components as `tonic::Status` with details, and back.

use tonic::{Code, Status};
use ttn_core::error::{ApiError, ErrorBody, ErrorKind};
use ttn_proto::convert::{error_details, to_error_body};
use ttn_proto::status::{details, with_details};

/// The status of an error of a component, for `map_err`.
pub fn from_error<E: ApiError>(error: E) -> Status {
    from_body(&ErrorBody::of(&error))
}

/// The status of an error that travels as a value.
pub fn from_body(body: &ErrorBody) -> Status {
    let code = Code::from_i32(i32::from(body_kind(body).code()));
    with_details(code, body.to_string(), &error_details(body))
}

/// The answer of HTTP to a call that failed, for routes that are no bindings of the API.
pub fn to_http(status: &Status) -> axum::response::Response {
    crate::http::error(status)
}

/// What a status says, as far as it can be told; a status without details gets the name of its code.
pub fn to_body(status: &Status) -> ErrorBody {
    let kind = kind(status.code());
    match details(status) {
        Some(details) => ErrorBody { kind, ..to_error_body(&details) },
        None => ErrorBody::new("grpc", code_name(status.code()), kind, status.message()),
    }
}

/// An error without a kind of its own takes that of its cause.
fn body_kind(body: &ErrorBody) -> ErrorKind {
    match (body.kind, &body.cause) {
        (ErrorKind::Unknown, Some(cause)) => body_kind(cause),
        (kind, _) => kind,
    }
}

/// The kind of a code; OK has none.
pub fn kind(code: Code) -> ErrorKind {
    u8::try_from(code as i32).map_or(ErrorKind::Unknown, ErrorKind::from_code)
}

/// The name of a code in snake_case.
const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "ok",
        Code::Cancelled => "canceled",
        Code::Unknown => "unknown",
        Code::InvalidArgument => "invalid_argument",
        Code::DeadlineExceeded => "deadline_exceeded",
        Code::NotFound => "not_found",
        Code::AlreadyExists => "already_exists",
        Code::PermissionDenied => "permission_denied",
        Code::ResourceExhausted => "resource_exhausted",
        Code::FailedPrecondition => "failed_precondition",
        Code::Aborted => "aborted",
        Code::OutOfRange => "out_of_range",
        Code::Unimplemented => "unimplemented",
        Code::Internal => "internal",
        Code::Unavailable => "unavailable",
        Code::DataLoss => "data_loss",
        Code::Unauthenticated => "unauthenticated",
    }
}

/// The HTTP status of a code.
pub(crate) const fn http_status(code: Code) -> u16 {
    match code {
        Code::Ok => 200,
        Code::Cancelled => 499,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => 400,
        Code::DeadlineExceeded => 504,
        Code::NotFound => 404,
        Code::AlreadyExists | Code::Aborted => 409,
        Code::PermissionDenied => 403,
        Code::ResourceExhausted => 429,
        Code::Unimplemented => 501,
        Code::Unavailable => 503,
        Code::Unauthenticated => 401,
        Code::Unknown | Code::Internal | Code::DataLoss => 500,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_survives_the_way_there_and_back() {
        let cause = ErrorBody::new("pkg/store", "conflict", ErrorKind::Aborted, "somebody else");
        let mut body = ErrorBody::new("pkg/is", "taken", ErrorKind::AlreadyExists, "`x` is taken")
            .with("id", "x")
            .with("count", 3);
        body.cause = Some(Box::new(cause));
        let status = from_body(&body);
        assert_eq!(status.code(), Code::AlreadyExists);
        assert_eq!(status.message(), "error:pkg/is:taken (`x` is taken)");
        assert_eq!(to_body(&status), body);
    }

    #[test]
    fn an_unknown_error_takes_the_code_of_its_cause() {
        let mut body = ErrorBody::new("pkg/as", "wrapped", ErrorKind::Unknown, "could not");
        body.cause = Some(Box::new(ErrorBody::new("pkg/ns", "gone", ErrorKind::NotFound, "gone")));
        assert_eq!(from_body(&body).code(), Code::NotFound);
    }

    #[test]
    fn a_status_without_details_gets_the_name_of_its_code() {
        let body = to_body(&Status::unavailable("later"));
        assert_eq!((&*body.name, body.kind), ("unavailable", ErrorKind::Unavailable));
    }
}
