//! What a client sees of an error: namespace, name, code, attributes.

use std::{borrow::Cow, collections::BTreeMap, error, fmt};

/// The kind of an error: the codes of gRPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
#[repr(u8)]
pub enum ErrorKind {
    /// The caller gave up.
    Canceled = 1,
    /// Nobody knows.
    Unknown = 2,
    /// The input is wrong whatever the state of the system.
    InvalidArgument = 3,
    /// It took too long.
    DeadlineExceeded = 4,
    /// It does not exist.
    NotFound = 5,
    /// It exists already.
    AlreadyExists = 6,
    /// The caller lacks a right.
    PermissionDenied = 7,
    /// A limit is reached.
    ResourceExhausted = 8,
    /// The state of the system does not allow it.
    FailedPrecondition = 9,
    /// Somebody else was faster.
    Aborted = 10,
    /// A value is outside its range.
    OutOfRange = 11,
    /// It is not built.
    Unimplemented = 12,
    /// A defect of ours.
    Internal = 13,
    /// Try again later.
    Unavailable = 14,
    /// Data is lost.
    DataLoss = 15,
    /// The caller is not known.
    Unauthenticated = 16,
}

impl ErrorKind {
    /// The number of the code.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The kind of a number; [`Self::Unknown`] for others.
    #[must_use]
    pub const fn from_code(code: u8) -> Self {
        match code {
            1 => Self::Canceled,
            3 => Self::InvalidArgument,
            4 => Self::DeadlineExceeded,
            5 => Self::NotFound,
            6 => Self::AlreadyExists,
            7 => Self::PermissionDenied,
            8 => Self::ResourceExhausted,
            9 => Self::FailedPrecondition,
            10 => Self::Aborted,
            11 => Self::OutOfRange,
            12 => Self::Unimplemented,
            13 => Self::Internal,
            14 => Self::Unavailable,
            15 => Self::DataLoss,
            16 => Self::Unauthenticated,
            _ => Self::Unknown,
        }
    }
}

/// Attributes of an error or an event, by name.
pub type Attributes = BTreeMap<&'static str, serde_json::Value>;

/// An error that clients of the API can tell from others by namespace and name.
pub trait ApiError: error::Error + Send + Sync {
    /// The namespace, such as `pkg/networkserver`.
    fn namespace(&self) -> &'static str;

    /// The name within the namespace, such as `device_not_found`.
    fn name(&self) -> &'static str;

    /// The kind of error.
    fn kind(&self) -> ErrorKind;

    /// Public attributes.
    fn attributes(&self) -> Attributes {
        Attributes::new()
    }

    /// The error that caused it, if clients should see it.
    fn cause(&self) -> Option<&dyn ApiError> {
        None
    }
}

/// An [`ApiError`] as a value, as it travels between components and to clients.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct ErrorBody {
    /// The namespace.
    pub namespace: Cow<'static, str>,
    /// The name within the namespace.
    pub name: Cow<'static, str>,
    /// The kind of error.
    pub kind: ErrorKind,
    /// What happened, with which value, and what to do.
    pub message: String,
    /// Public attributes.
    pub attributes: BTreeMap<String, serde_json::Value>,
    /// The error that caused it.
    pub cause: Option<Box<Self>>,
}

impl ErrorBody {
    /// Makes an error without attributes.
    #[must_use]
    pub fn new(
        namespace: &'static str,
        name: &'static str,
        kind: ErrorKind,
        message: impl Into<String>,
    ) -> Self {
        Self {
            namespace: Cow::Borrowed(namespace),
            name: Cow::Borrowed(name),
            kind,
            message: message.into(),
            attributes: BTreeMap::new(),
            cause: None,
        }
    }

    /// Adds an attribute.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.attributes.insert(name.to_owned(), value.into());
        self
    }

    /// Takes over what clients see of an error.
    #[must_use]
    pub fn of(error: &dyn ApiError) -> Self {
        Self {
            namespace: Cow::Borrowed(error.namespace()),
            name: Cow::Borrowed(error.name()),
            kind: error.kind(),
            message: error.to_string(),
            attributes: error.attributes().into_iter().map(|(k, v)| (k.to_owned(), v)).collect(),
            cause: ApiError::cause(error).map(|cause| Box::new(Self::of(cause))),
        }
    }
}

impl fmt::Display for ErrorBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error:{}:{} ({})", self.namespace, self.name, self.message)
    }
}

impl error::Error for ErrorBody {}
