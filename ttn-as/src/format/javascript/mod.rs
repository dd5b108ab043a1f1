//! Payload formatters in JavaScript (AS-12 to AS-14, AS-16).
//!
//! A script has functions of these names; the first that is there is taken:
//!
//! | what | The Things Stack | before | ChirpStack |
//! |---|---|---|---|
//! | uplinks | `decodeUplink({bytes, fPort, recvTime})` | `Decoder(bytes, port)` | `Decode(fPort, bytes, variables)` |
//! | measurements | `normalizeUplink({data})` | | |
//! | downlinks to octets | `encodeDownlink({data, fPort})` | `Encoder(object, port)` | `Encode(fPort, obj, variables)` |
//! | downlinks back | `decodeDownlink({bytes, fPort})` | | |
//!
//! Scripts come from users and may do anything, so they run in processes of their own ([`ProcessHost`]): an endless loop
//! ends with the time limit, a process that does not answer is killed, and one application cannot occupy all of them.
//! [`InProcessHost`] runs scripts that are trusted, such as those of tests. A server chooses one of the two.

pub mod cases;
mod engine;
mod frame;
mod host;
mod process;
pub mod result;
mod worker;

pub use host::{Function, InProcessHost, Limits, ScriptCall, ScriptHost};
pub use process::{ProcessHost, WorkerCommand};
pub use worker::worker;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Encoded, FormatError, Formatter, Payload, Structure, check_parameter};
use crate::{log::Decoded, store::FormatterKind};

/// The formatter that runs scripts.
#[derive(Clone, Debug)]
pub struct JavaScript {
    host: Arc<dyn ScriptHost>,
}

/// The name in the API.
const NAME: &str = FormatterKind::Javascript.name();
/// How long a call may wait for its turn, and for a worker to start; hosts bound the run itself.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// The port of a downlink whose script and sender name none.
const F_PORT_DEFAULT: u8 = 1;

impl JavaScript {
    /// Makes a formatter whose scripts run there.
    #[must_use]
    pub fn new(host: Arc<dyn ScriptHost>) -> Self {
        Self { host }
    }

    async fn decode(
        &self,
        payload: &Payload<'_>,
        function: Function,
    ) -> Result<Decoded, FormatError> {
        let received_at = payload.received_at.map(|time| time.unix_nanos().div_euclid(1_000_000));
        let input = json!({
            "bytes": payload.octets,
            "fPort": payload.f_port,
            "recvTime": received_at,
            "variables": {},
        });
        let application = &payload.ids.key.application_id;
        let call = ScriptCall { application, script: payload.parameter, function, input: &input };
        result::decoded(&self.run(&call).await?)
    }

    async fn run(&self, call: &ScriptCall<'_>) -> Result<Vec<u8>, FormatError> {
        check_parameter(call.script)?;
        self.host.run(call).await
    }
}

#[async_trait]
impl Formatter for JavaScript {
    fn call_timeout(&self, timeout: Duration) -> Duration {
        timeout + WAIT_MAX
    }

    async fn decode_uplink(&self, payload: &Payload<'_>) -> Result<Decoded, FormatError> {
        self.decode(payload, Function::DecodeUplink).await
    }

    async fn decode_downlink(&self, payload: &Payload<'_>) -> Result<Decoded, FormatError> {
        self.decode(payload, Function::DecodeDownlink).await
    }

    async fn encode_downlink(&self, structure: &Structure<'_>) -> Result<Encoded, FormatError> {
        let f_port = structure.f_port.unwrap_or_default();
        let mut input = json!({ "fPort": f_port, "variables": {} });
        input["data"] = Value::Object(structure.payload.clone());
        let call = ScriptCall {
            application: &structure.ids.key.application_id,
            script: structure.parameter,
            function: Function::EncodeDownlink,
            input: &input,
        };
        let mut encoded = result::encoded(&self.run(&call).await?)?;
        if encoded.f_port.is_none() && f_port == 0 {
            encoded.f_port = Some(F_PORT_DEFAULT);
        }
        Ok(encoded)
    }
}
