//! Endpoints of webhooks in memory, for simulations.

use async_trait::async_trait;
use parking_lot::Mutex;
use ttn_as::integration::webhook::{Answer, Request, SendError, Transport};

/// Takes every request, whatever its URL, and answers with a status.
#[derive(Debug)]
pub struct MemoryEndpoint {
    requests: Mutex<Vec<Request>>,
    /// The status; 0: no connection.
    status: Mutex<u16>,
}

/// How many requests are kept; further ones are answered and forgotten.
const REQUESTS_MAX: usize = 100_000;

impl Default for MemoryEndpoint {
    fn default() -> Self {
        Self { requests: Mutex::default(), status: Mutex::new(200) }
    }
}

impl MemoryEndpoint {
    /// Answers with this status from now on; 0 takes no connections.
    pub fn answer(&self, status: u16) {
        *self.status.lock() = status;
    }

    /// The requests since the last call that were answered with 2xx, in order.
    #[must_use]
    pub fn take(&self) -> Vec<Request> {
        std::mem::take(&mut *self.requests.lock())
    }
}

#[async_trait]
impl Transport for MemoryEndpoint {
    async fn send(&self, request: Request) -> Result<Answer, SendError> {
        let status = *self.status.lock();
        if status == 0 {
            return Err(SendError::Connect("the endpoint is down".to_owned()));
        }
        let mut requests = self.requests.lock();
        if (200..300).contains(&status) && requests.len() < REQUESTS_MAX {
            requests.push(request);
        }
        Ok(Answer { status, ..Answer::default() })
    }
}
