//! Traces: the way of a frame from the datagram to the integration, exported by OTLP (CLU-14).
//!
//! Spans are made of events, beside the way of the frame (`docs/adr/0035-traces-are-made-of-events.md`): components know
//! nothing of traces, and without `traces.endpoint` nobody reads events for them.

#[cfg(feature = "otlp")]
mod export;
#[cfg(feature = "otlp")]
mod running;
#[cfg(feature = "otlp")]
mod spans;
#[cfg(feature = "otlp")]
mod webhooks;

#[cfg(feature = "otlp")]
pub(crate) use running::Traces;

use serde::{Deserialize, Serialize};

/// Traces of frames.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct TracesConfig {
    /// The collector that takes them, OTLP over gRPC, such as `http://localhost:4317`; without one there are none.
    pub endpoint: Option<String>,
    /// The part of all frames that is traced, from 0 to 1.
    pub probability: f64,
}

impl Default for TracesConfig {
    fn default() -> Self {
        Self { endpoint: None, probability: 1.0 }
    }
}

/// Why there can be no traces.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TracesError {
    /// The address of the collector is none.
    #[error("`traces.endpoint` {endpoint:?} is no address such as `http://localhost:4317`")]
    Endpoint {
        /// The address.
        endpoint: String,
    },
    /// The program has no OTLP.
    #[error("`traces.endpoint` is set, but this program was built without the feature `otlp`")]
    NotBuilt,
    /// The probability is none.
    #[error("`traces.probability` {probability} is not between 0 and 1")]
    Probability {
        /// The probability.
        probability: f64,
    },
}

#[cfg(not(feature = "otlp"))]
pub(crate) use without::Traces;

#[cfg(not(feature = "otlp"))]
mod without {
    use std::sync::Arc;

    use ttn_as::integration::webhook::Transport;
    use ttn_core::{clock::Clock, event::EventBus, task::Tasks};

    use super::{TracesConfig, TracesError};

    /// No traces.
    #[derive(Debug)]
    pub(crate) struct Traces;

    impl Traces {
        pub(crate) fn new(config: &TracesConfig, _: &Arc<dyn Clock>) -> Result<Self, TracesError> {
            if config.endpoint.is_some() { Err(TracesError::NotBuilt) } else { Ok(Self) }
        }

        #[expect(clippy::unused_self, reason = "as with the feature")]
        pub(crate) fn webhooks(&self, transport: Arc<dyn Transport>) -> Arc<dyn Transport> {
            transport
        }

        #[expect(clippy::unused_self, reason = "as with the feature")]
        pub(crate) fn start(&self, _: &Arc<EventBus>, _: &mut Tasks) {}
    }
}
