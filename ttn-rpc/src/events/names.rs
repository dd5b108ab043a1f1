//! The `names` of a stream: names and regular expressions over the table of events (EVT-08).

use regex_lite::Regex;
use tonic::{Code, Status};
use ttn_core::event::{EventDefinition, find, table};
use ttn_proto::status;

/// How many names and expressions one request can have.
const NAMES_MAX: usize = 500;
/// The longest expression.
const EXPRESSION_LENGTH_MAX: usize = 256;

/// The events that names select, ordered by name; `None` selects all.
pub(super) fn select(names: &[String]) -> Result<Option<Vec<&'static EventDefinition>>, Status> {
    if names.is_empty() {
        return Ok(None);
    }
    if names.len() > NAMES_MAX {
        return Err(Status::invalid_argument(format!("`names` has at most {NAMES_MAX} entries")));
    }
    let mut selected = Vec::new();
    for name in names {
        match name.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
            Some(expression) => selected.extend(matching(expression)?),
            None => selected.push(find(name).ok_or_else(|| unknown(name))?),
        }
    }
    selected.sort_unstable_by_key(|definition| definition.name);
    selected.dedup_by_key(|definition| definition.name);
    Ok(Some(selected))
}

fn matching(expression: &str) -> Result<Vec<&'static EventDefinition>, Status> {
    let regex = (expression.len() <= EXPRESSION_LENGTH_MAX).then(|| Regex::new(expression));
    let regex = regex.transpose().ok().flatten().ok_or_else(|| invalid(expression))?;
    let found: Vec<_> = table::ALL.iter().filter(|it| regex.is_match(it.name)).collect();
    if found.is_empty() { Err(no_match(expression)) } else { Ok(found) }
}

fn unknown(name: &str) -> Status {
    let text =
        format!("there is no event `{name}`; a regular expression is written /between slashes/");
    let name = [("name", status::text(name))];
    status::named(Code::InvalidArgument, "pkg/events", "unknown_event_name", &text, name)
}

fn invalid(expression: &str) -> Status {
    let text = format!(
        "`{expression}` is no regular expression of at most {EXPRESSION_LENGTH_MAX} octets"
    );
    status::named(Code::InvalidArgument, "pkg/events", "invalid_regexp", &text, [])
}

fn no_match(expression: &str) -> Status {
    let text = format!("no event has a name that `{expression}` matches");
    let regexp = [("regexp", status::text(expression))];
    status::named(Code::InvalidArgument, "pkg/events", "no_matching_events", &text, regexp)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(names: &[&str]) -> Result<Vec<&'static str>, String> {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        match select(&names) {
            Ok(found) => Ok(found.unwrap().iter().map(|definition| definition.name).collect()),
            Err(status) => Err(status::details(&status).unwrap().name),
        }
    }

    // EVT-02, EVT-08
    #[test]
    fn names_and_expressions_select_known_events_once() {
        assert!(select(&[]).unwrap().is_none());
        let names = ["ns.up.data.drop", "/^ns\\.up\\.data\\./", "gs.up.drop"];
        let expected = [
            "gs.up.drop",
            "ns.up.data.drop",
            "ns.up.data.forward",
            "ns.up.data.process",
            "ns.up.data.receive",
        ];
        assert_eq!(selected(&names).unwrap(), expected);
    }

    // EVT-02, EVT-08
    #[test]
    fn what_selects_nothing_is_refused_by_name() {
        assert_eq!(selected(&["ns.up.data.lost"]), Err("unknown_event_name".to_owned()));
        assert_eq!(selected(&["/^xyz/"]), Err("no_matching_events".to_owned()));
        assert_eq!(selected(&["/(/"]), Err("invalid_regexp".to_owned()));
        let long = format!("/{}/", "a".repeat(300));
        assert_eq!(selected(&[&long]), Err("invalid_regexp".to_owned()));
    }
}
