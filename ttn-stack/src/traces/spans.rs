//! Events become spans: pure, and bounded.

use std::collections::BTreeMap;

use ttn_core::{
    event::{Event, EventDefinition, EventFilter, find, table::ALL},
    time::Timestamp,
};

/// The way of one frame: the ULID of its reception at the Gateway Server, 128 bits as OTLP wants them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TraceId(pub(super) u128);

/// Something that took time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) trace: TraceId,
    pub(super) stage: Stage,
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    /// Why it failed.
    pub(super) failure: Option<String>,
    pub(super) attributes: Vec<(&'static str, String)>,
}

/// A part of the way, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    GatewayReceive,
    NetworkHandle,
    JoinAnswer,
    ApplicationHandle,
    WebhookDeliver,
    NetworkSchedule,
    GatewayTransmit,
}

/// What begins and ends a part of the way.
struct Row {
    stage: Stage,
    name: &'static str,
    parent: Option<Stage>,
    begins: &'static [&'static str],
    ends: &'static [&'static str],
    fails: &'static [&'static str],
}

const ROWS: &[Row] = &[
    Row {
        stage: Stage::GatewayReceive,
        name: "gs.receive",
        parent: None,
        begins: &["gs.up.receive"],
        ends: &["gs.up.forward"],
        fails: &["gs.up.drop"],
    },
    Row {
        stage: Stage::NetworkHandle,
        name: "ns.handle",
        parent: Some(Stage::GatewayReceive),
        begins: &["ns.up.data.receive", "ns.up.join.receive"],
        ends: &["ns.up.data.forward", "ns.up.join.accept.forward"],
        fails: &["ns.up.data.drop", "ns.up.join.drop"],
    },
    Row {
        stage: Stage::JoinAnswer,
        name: "js.join",
        parent: Some(Stage::NetworkHandle),
        begins: &["ns.up.join.cluster.attempt"],
        ends: &["ns.up.join.cluster.success"],
        fails: &["ns.up.join.cluster.fail"],
    },
    Row {
        stage: Stage::ApplicationHandle,
        name: "as.handle",
        parent: Some(Stage::NetworkHandle),
        begins: &["as.up.data.receive", "as.up.join.receive"],
        ends: &["as.up.data.forward", "as.up.join.forward"],
        fails: &["as.up.data.drop", "as.up.join.drop"],
    },
    Row {
        stage: Stage::WebhookDeliver,
        name: "as.webhook.deliver",
        parent: Some(Stage::ApplicationHandle),
        begins: &[],
        ends: &[],
        fails: &[],
    },
    Row {
        stage: Stage::NetworkSchedule,
        name: "ns.schedule",
        parent: Some(Stage::NetworkHandle),
        begins: &["ns.down.data.schedule.attempt", "ns.down.join.schedule.attempt"],
        ends: &["ns.down.data.schedule.success", "ns.down.join.schedule.success"],
        fails: &["ns.down.data.schedule.fail", "ns.down.join.schedule.fail"],
    },
    Row {
        stage: Stage::GatewayTransmit,
        name: "gs.transmit",
        parent: Some(Stage::NetworkSchedule),
        begins: &["gs.down.send"],
        ends: &["gs.down.tx.success"],
        fails: &["gs.down.tx.fail"],
    },
];

/// What the correlation id of a reception begins with.
const RECEPTION: &str = "gs:uplink:";
const ULID_LENGTH: usize = 26;
/// How many parts of ways may have begun and not ended; the oldest way is given up for a new one.
const OPEN_MAX: usize = 16_384;
/// The bits of a trace id that are random in every sense: those that samplers look at.
const RANDOM_BITS: u32 = 56;

impl Stage {
    pub(super) fn name(self) -> &'static str {
        self.row().map_or("", |row| row.name)
    }

    pub(super) fn parent(self) -> Option<Self> {
        self.row()?.parent
    }

    fn row(self) -> Option<&'static Row> {
        ROWS.iter().find(|row| row.stage == self)
    }
}

impl TraceId {
    /// The first reception among correlation ids, or anywhere in a text that has some.
    pub(super) fn find(text: &[u8]) -> Option<Self> {
        let begin = text.windows(RECEPTION.len()).position(|it| it == RECEPTION.as_bytes())?;
        let begin = begin + RECEPTION.len();
        let ulid = std::str::from_utf8(text.get(begin..begin + ULID_LENGTH)?).ok()?;
        ulid::Ulid::from_string(ulid).ok().map(|ulid| Self(ulid.0))
    }

    /// The id of a part of this way: always the same, so that nobody has to remember those of parents.
    pub(super) fn span(self, stage: Stage) -> u64 {
        let number = 1 + stage as u64;
        // An odd factor makes others of all numbers; the low half of a ULID is random.
        (self.0 as u64) ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }

    /// Whether a way belongs to the part of all that is traced.
    pub(super) fn is_sampled(self, probability: f64) -> bool {
        let random = (self.0 as u64) & ((1 << RANDOM_BITS) - 1);
        (random as f64) < probability * (1_u64 << RANDOM_BITS) as f64
    }
}

#[derive(Clone, Copy)]
enum Role {
    Begins,
    Ends,
    Fails,
}

/// Makes spans of events.
pub(super) struct Recorder {
    probability: f64,
    /// By place in the table of events.
    roles: Vec<Option<(Stage, Role)>>,
    open: BTreeMap<(TraceId, Stage), Timestamp>,
}

/// The events that spans are made of.
pub(super) fn filter() -> EventFilter {
    let names = ROWS.iter().flat_map(|row| [row.begins, row.ends, row.fails]).flatten();
    let mut wanted: Vec<&'static EventDefinition> = names.filter_map(|name| find(name)).collect();
    wanted.sort_unstable_by_key(|definition| definition.name);
    EventFilter { entities: None, definitions: Some(wanted) }
}

impl Recorder {
    pub(super) fn new(probability: f64) -> Self {
        let role = |definition: &EventDefinition| {
            let has = |names: &[&str]| names.contains(&definition.name);
            ROWS.iter().find_map(|row| {
                let role = if has(row.begins) {
                    Role::Begins
                } else if has(row.ends) {
                    Role::Ends
                } else if has(row.fails) {
                    Role::Fails
                } else {
                    return None;
                };
                Some((row.stage, role))
            })
        };
        let roles = ALL.iter().map(role).collect();
        Self { probability, roles, open: BTreeMap::new() }
    }

    /// Takes an event; gives the part of a way that it ends.
    pub(super) fn on_event(&mut self, event: &Event) -> Option<Span> {
        let (stage, role) = self.roles.get(event.definition.place).copied().flatten()?;
        let trace = event.correlation_ids.iter().find_map(|id| TraceId::find(id.as_bytes()))?;
        if !trace.is_sampled(self.probability) {
            return None;
        }
        if matches!(role, Role::Begins) {
            if self.open.len() >= OPEN_MAX {
                // ULIDs begin with their time.
                self.open.pop_first();
            }
            self.open.entry((trace, stage)).or_insert(event.time);
            return None;
        }
        let start = self.open.remove(&(trace, stage)).unwrap_or(event.time);
        let failure = matches!(role, Role::Fails).then(|| failure(event));
        let (end, attributes) = (event.time.max(start), attributes(event));
        Some(Span { trace, stage, start, end, failure, attributes })
    }
}

/// The name of an error.
fn failure(event: &Event) -> String {
    let data = event.data.to_json();
    let text = |key: &str| data[key].as_str().unwrap_or_default().to_owned();
    match (text("namespace"), text("name")) {
        (_, name) if name.is_empty() => event.definition.name.to_owned(),
        (namespace, name) => format!("{namespace}:{name}"),
    }
}

fn attributes(event: &Event) -> Vec<(&'static str, String)> {
    let mut attributes: Vec<_> = event
        .identifiers
        .iter()
        .map(|id| {
            let key = match id.kind() {
                "application" => "ttn.application",
                "end device" => "ttn.device",
                "gateway" => "ttn.gateway",
                _ => "ttn.entity",
            };
            (key, id.uid().to_string())
        })
        .collect();
    let ids = &event.radio_ids;
    attributes.extend(ids.dev_eui.map(|eui| ("ttn.dev_eui", eui.to_string())));
    attributes.extend(ids.dev_addr.map(|addr| ("ttn.dev_addr", addr.to_string())));
    attributes.extend(ids.gateway_eui.map(|eui| ("ttn.gateway_eui", eui.to_string())));
    attributes.push(("ttn.event", event.definition.name.to_owned()));
    attributes.push(("ttn.correlation_ids", event.correlation_ids.join(" ")));
    attributes
}
