//! What an event tells besides its name: made when somebody reads it.

use std::{fmt, sync::Arc};

use serde_json::Value;

/// The data of an event. Making JSON costs more than everything else about an event, so it can be left for later.
#[derive(Clone, Default)]
pub struct EventData(Inner);

#[derive(Clone, Default)]
enum Inner {
    #[default]
    Nothing,
    Json(Arc<Value>),
    Constant(fn() -> Value),
    Later {
        make: Arc<Make>,
        is_message: bool,
    },
}

type Make = dyn Fn() -> Value + Send + Sync;

impl EventData {
    /// Makes the JSON, which is always the same, when it is read.
    #[must_use]
    pub fn constant(make: fn() -> Value) -> Self {
        Self(Inner::Constant(make))
    }

    /// Makes the JSON when it is read: `make` holds what it needs.
    #[must_use]
    pub fn later(make: impl Fn() -> Value + Send + Sync + 'static) -> Self {
        Self(Inner::Later { make: Arc::new(make), is_message: false })
    }

    /// Makes the message that the event's definition declares, in the JSON of the API, when it is read.
    #[must_use]
    pub fn message(make: impl Fn() -> Value + Send + Sync + 'static) -> Self {
        Self(Inner::Later { make: Arc::new(make), is_message: true })
    }

    /// Whether [`Self::to_json`] is the message that the definition declares.
    #[must_use]
    pub const fn is_message(&self) -> bool {
        matches!(self.0, Inner::Later { is_message: true, .. })
    }

    /// The data as JSON; `null` if there is none.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match &self.0 {
            Inner::Nothing => Value::Null,
            Inner::Json(value) => Value::clone(value),
            Inner::Constant(make) => make(),
            Inner::Later { make, .. } => make(),
        }
    }
}

impl From<Value> for EventData {
    fn from(value: Value) -> Self {
        if value.is_null() { Self::default() } else { Self(Inner::Json(Arc::new(value))) }
    }
}

impl fmt::Debug for EventData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to_json())
    }
}
