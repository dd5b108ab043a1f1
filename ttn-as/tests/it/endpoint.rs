//! An endpoint of webhooks in memory.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::time::Instant;
use ttn_as::integration::webhook::{Answer, Request, SendError, Transport};

/// What the endpoint does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Does {
    /// Answers at once.
    Answers(u16),
    /// Answers after a while.
    AnswersAfter(Duration, u16),
    /// Never answers.
    Hangs,
    /// Takes no connection.
    Refuses,
}

/// A request that came.
#[derive(Clone)]
pub(crate) struct Got {
    pub(crate) at: Instant,
    pub(crate) request: Request,
    pub(crate) did: Does,
}

impl fmt::Debug for Got {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.device(), self.f_cnt())
    }
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.request.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.request.body).unwrap()
    }

    pub(crate) fn device(&self) -> String {
        self.json()["end_device_ids"]["device_id"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn f_cnt(&self) -> u64 {
        self.json()["uplink_message"]["f_cnt"].as_u64().unwrap_or_default()
    }

    pub(crate) fn was_taken(&self) -> bool {
        matches!(self.did, Does::Answers(200..300) | Does::AnswersAfter(_, 200..300))
    }
}

type Rule = Box<dyn Fn(&Got) -> Option<Does> + Send>;

#[derive(Default)]
pub(crate) struct Endpoint {
    got: Mutex<Vec<Got>>,
    rule: Mutex<Option<Rule>>,
    under_way: Mutex<(usize, usize)>,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").finish_non_exhaustive()
    }
}

impl Endpoint {
    /// Does this with every request from now on.
    pub(crate) fn always(&self, does: Does) {
        self.by(move |_| Some(does.clone()));
    }

    /// Does what a rule says; without a word of it, it answers 200.
    pub(crate) fn by(&self, rule: impl Fn(&Got) -> Option<Does> + Send + 'static) {
        *self.rule.lock() = Some(Box::new(rule));
    }

    /// Every request so far.
    pub(crate) fn got(&self) -> Vec<Got> {
        self.got.lock().clone()
    }

    /// The counters of the uplinks of a device that were taken, in order.
    pub(crate) fn taken(&self, device: &str) -> Vec<u64> {
        let got = self.got();
        let of = got.iter().filter(|got| got.was_taken() && got.device() == device);
        of.map(Got::f_cnt).collect()
    }

    pub(crate) fn forget(&self) {
        self.got.lock().clear();
    }

    /// How many requests were under way at most.
    pub(crate) fn under_way_max(&self) -> usize {
        self.under_way.lock().1
    }
}

struct UnderWay<'a>(&'a Endpoint);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.lock().0 -= 1;
    }
}

#[async_trait]
impl Transport for Endpoint {
    async fn send(&self, request: Request) -> Result<Answer, SendError> {
        let mut got = Got { at: Instant::now(), request, did: Does::Answers(200) };
        if let Some(does) = self.rule.lock().as_ref().and_then(|rule| rule(&got)) {
            got.did = does;
        }
        let does = got.did.clone();
        self.got.lock().push(got);
        {
            let mut under_way = self.under_way.lock();
            under_way.0 += 1;
            under_way.1 = under_way.1.max(under_way.0);
        }
        let _under_way = UnderWay(self);
        let answer = |status| Answer { status, body: "sorry".into(), ..Answer::default() };
        match does {
            Does::Answers(status) => Ok(answer(status)),
            Does::AnswersAfter(pause, status) => {
                tokio::time::sleep(pause).await;
                Ok(answer(status))
            }
            Does::Hangs => std::future::pending().await,
            Does::Refuses => Err(SendError::Connect("refused".to_owned())),
        }
    }
}
