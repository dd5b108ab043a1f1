//! One event of the API, with what the story needs of it.

use jiff::Timestamp;
use serde_json::Value;

/// An event and its time.
#[derive(Clone, Copy)]
pub(super) struct Event<'a> {
    json: &'a Value,
    time: Timestamp,
}

/// What an event means for whatever it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It goes no further, or not this way.
    Bad,
    /// It goes on.
    Good,
}

impl<'a> Event<'a> {
    /// An event; `None` if it has no time.
    pub(super) fn new(json: &'a Value) -> Option<Self> {
        Some(Self { json, time: json["time"].as_str()?.parse().ok()? })
    }

    pub(super) const fn json(&self) -> &'a Value {
        self.json
    }

    pub(super) fn name(&self) -> &'a str {
        self.json["name"].as_str().unwrap_or_default()
    }

    /// By time; events of one moment in the order in which they were published, which their ids keep.
    pub(super) fn order(&self) -> (i64, &'a str, Timestamp) {
        (self.time.as_millisecond(), self.json["unique_id"].as_str().unwrap_or_default(), self.time)
    }

    /// The first correlation id of a class.
    pub(super) fn id(&self, class: &str) -> Option<&'a str> {
        self.ids(class).next()
    }

    /// The correlation ids of a class.
    pub(super) fn ids(&self, class: &str) -> impl Iterator<Item = &'a str> {
        let ids = self.json["correlation_ids"].as_array().into_iter().flatten();
        ids.filter_map(Value::as_str).filter(move |id| id.starts_with(class))
    }

    /// The device, as `application/device`.
    pub(super) fn device(&self) -> Option<String> {
        let mut ids = self.json["identifiers"].as_array().into_iter().flatten();
        ids.find_map(|ids| {
            let device = &ids["device_ids"];
            let application = device["application_ids"]["application_id"].as_str()?;
            Some(format!("{application}/{}", device["device_id"].as_str()?))
        })
    }

    pub(super) fn fate(&self) -> Fate {
        let last = self.name().rsplit('.').next().unwrap_or_default();
        match last {
            "drop" | "fail" | "reject" | "unanswered" => Fate::Bad,
            _ => Fate::Good,
        }
    }

    /// Whether this failure is the end although `good` happened: it came later, and nothing was tried after it.
    pub(super) fn ends(&self, good: &Self) -> bool {
        self.order() > good.order() && self.name().ends_with(".drop")
            || self.name() == "ns.down.transmission.fail"
    }

    pub(super) fn verb(&self) -> &'static str {
        if self.name().starts_with("js.") || self.name().contains(".join.cluster.") {
            "refused by"
        } else if self.name().ends_with(".drop") {
            "dropped by"
        } else {
            "failed at"
        }
    }

    pub(super) fn server(&self) -> &'static str {
        match self.name().split('.').next().unwrap_or_default() {
            "as" => "Application Server",
            "gs" => "Gateway Server",
            "js" => "Join Server",
            "ns" => "Network Server",
            _ => "Other",
        }
    }

    pub(super) fn server_in_sentence(&self) -> String {
        format!("the {}", self.server())
    }

    pub(super) fn time_text(&self) -> String {
        let text = format!("{:.3}", self.time);
        text.replace('T', " ").replace('Z', " UTC")
    }

    /// How long after the first event of a story, such as `+0.203 s`.
    pub(super) fn since(&self, first: &Self) -> String {
        format!("+{:.3} s", self.seconds(first))
    }

    pub(super) fn after(&self, first: &Self) -> String {
        format!("{:.3} s", self.seconds(first))
    }

    fn seconds(&self, first: &Self) -> f64 {
        self.time.duration_since(first.time).as_secs_f64()
    }
}
