//! What happened to a frame or a downlink, told from its events as a tree that a person can read.
//!
//! [`tell`] is a pure function of the events as the API gives them.

mod event;
mod line;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use serde_json::Value;

pub use self::line::{describe, whose};
use self::{
    event::{Event, Fate},
    line::hint,
};

/// The classes of ids that lead to more of a story.
const CLASSES: &[&str] = &["gs:uplink:", "ns:uplink:", "ns:downlink:", "as:downlink:"];
/// How many ids are followed: the copies of one frame, and the downlinks that go with it.
const IDS_MAX: usize = 32;

/// What a part of the story is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    /// A frame of a device, by `ns:uplink` or else by `gs:uplink`.
    Uplink(String),
    /// Downlinks that an application asked for, by `as:downlink`.
    Request(String),
    /// One attempt to send a frame to a device, by `ns:downlink`.
    Attempt(String),
    /// What has none of these ids.
    Other,
}

/// A part of the story with its events in order.
struct Part<'a> {
    subject: Subject,
    events: Vec<Event<'a>>,
}

/// Tells the story of these events, the oldest part first. Without events it is empty.
#[must_use]
pub fn tell(events: &[Value]) -> String {
    let mut events: Vec<Event<'_>> = events.iter().filter_map(Event::new).collect();
    events.sort_by_key(|event| event.order());
    events.dedup_by_key(|event| event.order());
    let frames = frames(&events);
    let mut parts: Vec<Part<'_>> = Vec::new();
    for event in events {
        let subject = subject(&event, &frames);
        match parts.iter_mut().find(|part| part.subject == subject) {
            Some(part) => part.events.push(event),
            None => parts.push(Part { subject, events: vec![event] }),
        }
    }
    let (attempts, tops): (Vec<_>, Vec<_>) =
        parts.into_iter().partition(|part| matches!(part.subject, Subject::Attempt(_)));
    let mut attempts: Vec<Option<Part<'_>>> = attempts.into_iter().map(Some).collect();
    let mut story = String::new();
    for top in &tops {
        let answers = attempts
            .iter_mut()
            .filter_map(|attempt| attempt.take_if(|attempt| answers(attempt, top, &frames)));
        let answers: Vec<_> = answers.collect();
        tell_part(top, &answers, &mut story);
    }
    for attempt in attempts.iter().flatten() {
        tell_part(attempt, &[], &mut story);
    }
    story
}

/// The ids, other than `id`, under which more of the story of these events can be found.
#[must_use]
pub fn more_ids(events: &[Value], id: &str) -> BTreeSet<String> {
    let events = events.iter().flat_map(|event| event["correlation_ids"].as_array());
    let ids = events.flatten().filter_map(Value::as_str);
    let leads_on =
        |known: &&str| *known != id && CLASSES.iter().any(|class| known.starts_with(class));
    let distinct: BTreeSet<_> = ids.filter(leads_on).collect();
    distinct.into_iter().take(IDS_MAX).map(str::to_owned).collect()
}

/// The `ns:uplink` of every `gs:uplink` that is known to be a copy of it.
fn frames<'a>(events: &[Event<'a>]) -> BTreeMap<&'a str, &'a str> {
    let mut frames = BTreeMap::new();
    for event in events {
        if let Some(frame) = event.id("ns:uplink:") {
            let copies = event.ids("gs:uplink:").map(|copy| (copy, frame));
            // A downlink has the ids of the uplink that it answers; the first to name a copy is the uplink itself.
            for (copy, frame) in copies {
                frames.entry(copy).or_insert(frame);
            }
        }
    }
    frames
}

fn frame_of<'a>(event: &Event<'a>, frames: &BTreeMap<&'a str, &'a str>) -> Option<&'a str> {
    let copy = event.id("gs:uplink:");
    let frame = event.id("ns:uplink:").or_else(|| frames.get(copy?).copied());
    frame.or(copy)
}

fn subject<'a>(event: &Event<'a>, frames: &BTreeMap<&'a str, &'a str>) -> Subject {
    if let Some(attempt) = event.id("ns:downlink:") {
        return Subject::Attempt(attempt.to_owned());
    }
    match (frame_of(event, frames), event.id("as:downlink:")) {
        (_, Some(request)) => Subject::Request(request.to_owned()),
        (Some(frame), None) => Subject::Uplink(frame.to_owned()),
        (None, None) => Subject::Other,
    }
}

/// Whether a downlink answers the uplink of a part.
fn answers<'a>(attempt: &Part<'a>, top: &Part<'a>, frames: &BTreeMap<&'a str, &'a str>) -> bool {
    let Subject::Uplink(uplink) = &top.subject else { return false };
    attempt.events.iter().any(|event| frame_of(event, frames) == Some(uplink))
}

fn tell_part(part: &Part<'_>, answers: &[Part<'_>], story: &mut String) {
    if !story.is_empty() {
        story.push('\n');
    }
    let Some(first) = part.events.first() else { return };
    let _ = writeln!(story, "{}   {}", title(part), first.time_text());
    let _ = writeln!(story, "  {}", outcome(part).replace('\n', "\n    "));
    let mut sections = sections(part, first);
    for answer in answers {
        let mut lines = vec![outcome(answer)];
        lines.extend(requests(answer));
        lines.extend(answer.events.iter().map(|event| timed(event, first)));
        sections.push((String::from("Downlink in answer"), lines));
    }
    let count = sections.len();
    for (number, (title, lines)) in sections.into_iter().enumerate() {
        let last = number + 1 == count;
        let _ = writeln!(story, "{} {title}", if last { "└─" } else { "├─" });
        let bar = if last { "  " } else { "│ " };
        let count = lines.len();
        for (number, line) in lines.into_iter().enumerate() {
            let branch = if number + 1 == count { "└─" } else { "├─" };
            for (row, text) in line.lines().enumerate() {
                let branch = match (row, number + 1 == count) {
                    (0, _) => branch,
                    (_, true) => "  ",
                    (_, false) => "│ ",
                };
                let _ = writeln!(story, "{bar} {branch} {text}");
            }
        }
    }
}

/// Neighbouring events of one server under one heading.
fn sections(part: &Part<'_>, first: &Event<'_>) -> Vec<(String, Vec<String>)> {
    let mut sections: Vec<(String, Vec<String>)> = Vec::new();
    for event in &part.events {
        let server = event.server();
        let line = timed(event, first);
        match sections.iter_mut().find(|(title, _)| title == server) {
            Some((_, lines)) => lines.push(line),
            None => sections.push((server.to_owned(), vec![line])),
        }
    }
    sections
}

fn timed(event: &Event<'_>, first: &Event<'_>) -> String {
    let mark = match event.fate() {
        Fate::Bad => "✗ ",
        _ => "",
    };
    let text = format!("{}  {mark}{}", event.since(first), describe(event.json()));
    // Further lines stand below the text, not below the time.
    text.replace('\n', "\n          ")
}

fn title(part: &Part<'_>) -> String {
    let whose = part.events.iter().find_map(Event::device);
    let whose = whose.map(|device| format!(" {device}")).unwrap_or_default();
    let join = part.events.iter().any(|event| event.name().contains(".join."));
    match (&part.subject, join) {
        (Subject::Uplink(_), true) => format!("Join-request of{whose}"),
        (Subject::Uplink(_), false) if whose.is_empty() => "Uplink of an unknown device".to_owned(),
        (Subject::Uplink(_), false) => format!("Uplink of{whose}"),
        (Subject::Request(_), _) => format!("Downlink requested for{whose}"),
        (Subject::Attempt(_), _) => format!("Downlink to{whose}"),
        (Subject::Other, _) => format!("Events{whose}"),
    }
}

/// The downlinks of applications that an attempt carries.
fn requests(attempt: &Part<'_>) -> Option<String> {
    let mut ids: Vec<_> = attempt.events.iter().flat_map(|it| it.ids("as:downlink:")).collect();
    ids.dedup();
    let id = ids.first()?;
    Some(format!("carries what the application asked for: {id}"))
}

/// How it ended: the last word of those who decide.
fn outcome(part: &Part<'_>) -> String {
    let names: &[&str] = match part.subject {
        Subject::Uplink(_) => &["as.up.data.forward", "as.up.join.forward"],
        Subject::Request(_) => &[
            "as.down.data.ack.forward",
            "as.down.data.nack.forward",
            "as.down.data.failed.forward",
            "as.down.data.sent.forward",
            "as.down.data.forward",
        ],
        Subject::Attempt(_) => {
            &["ns.down.transmission.success", "gs.down.tx.success", "gs.down.send"]
        }
        Subject::Other => &[],
    };
    let (Some(first), last) = (part.events.first(), part.events.last()) else {
        return String::new();
    };
    // Several names: the first that is there says the most.
    let good = names.iter().find_map(|name| part.events.iter().find(|event| event.name() == *name));
    let bad = part.events.iter().rev().find(|event| event.fate() == Fate::Bad);
    // What was delivered stays delivered, whatever becomes of late copies.
    let is_uplink = matches!(part.subject, Subject::Uplink(_));
    match (good, bad) {
        (Some(good), bad) if is_uplink || bad.is_none_or(|bad| !bad.ends(good)) => {
            format!("→ {} after {}", hint(good.json()), good.after(first))
        }
        (_, Some(bad)) => {
            format!("→ {} {}: {}", bad.verb(), bad.server_in_sentence(), describe(bad.json()))
        }
        _ => {
            let last = last.map(|event| describe(event.json())).unwrap_or_default();
            format!("→ no end is known; the last that is known: {last}")
        }
    }
}

#[cfg(test)]
mod tests;
