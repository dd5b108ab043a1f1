//! What searches look for (IS-52). Letters are compared without case.

use std::{borrow::Cow, collections::BTreeMap};

use crate::record::{Application, Client, Device, Gateway, Organization, User};

/// What a search looks for; every part that is given must hold.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct Search {
    /// Part of the id, the name, or what else people know it by: an EUI, an e-mail address, a model.
    pub query: String,
    /// Part of the id.
    pub id: String,
    /// Part of the name.
    pub name: String,
    /// Part of the description.
    pub description: String,
    /// Parts of attributes, by key.
    pub attributes: BTreeMap<String, String>,
    /// Part of the EUI of a gateway, or the DevEUI of a device.
    pub eui: String,
    /// Part of the JoinEUI of a device.
    pub join_eui: String,
    /// One of these states, as in the API; none: any.
    pub states: Vec<i32>,
}

impl Search {
    /// Whether a record is looked for.
    pub(crate) fn finds<R: Searchable>(&self, record: &R) -> bool {
        let seen = record.seen();
        let also = [&*seen.eui, &*seen.join_eui].into_iter().chain(seen.also.iter().copied());
        let attribute = |(key, part): (&String, &String)| {
            seen.attributes.get(key).is_some_and(|value| contains(value, part))
        };
        [seen.id, seen.name].into_iter().chain(also).any(|text| contains(text, &self.query))
            && contains(seen.id, &self.id)
            && contains(seen.name, &self.name)
            && contains(seen.description, &self.description)
            && contains(&seen.eui, &self.eui)
            && contains(&seen.join_eui, &self.join_eui)
            && self.attributes.iter().all(attribute)
            && (self.states.is_empty() || seen.state.is_some_and(|it| self.states.contains(&it)))
    }
}

/// Whether a text contains a part.
pub(crate) fn contains(text: &str, part: &str) -> bool {
    part.is_empty() || text.to_lowercase().contains(&part.to_lowercase())
}

/// What of a record searches look at.
pub(crate) struct Seen<'a> {
    id: &'a str,
    name: &'a str,
    description: &'a str,
    attributes: &'a BTreeMap<String, String>,
    eui: Cow<'a, str>,
    join_eui: Cow<'a, str>,
    state: Option<i32>,
    also: Vec<&'a str>,
}

/// A record that can be searched.
pub(crate) trait Searchable {
    fn seen(&self) -> Seen<'_>;
}

macro_rules! seen {
    ($record:ident $(, $field:ident = $value:expr)*) => {
        Seen {
            $($field: $value,)*
            ..Seen {
                id: $record.id(),
                name: &$record.name,
                description: &$record.description,
                attributes: &$record.attributes,
                eui: Cow::Borrowed(""),
                join_eui: Cow::Borrowed(""),
                state: None,
                also: Vec::new(),
            }
        }
    };
}

impl Searchable for Application {
    fn seen(&self) -> Seen<'_> {
        seen!(self)
    }
}

impl Searchable for Client {
    fn seen(&self) -> Seen<'_> {
        seen!(self, state = Some(self.state))
    }
}

impl Searchable for Device {
    fn seen(&self) -> Seen<'_> {
        let ids = self.ids.as_ref();
        let eui = |eui: Option<&Vec<u8>>| eui.map(|eui| hex(eui)).unwrap_or_default().into();
        let also =
            self.version_ids.iter().flat_map(|version| [&version.brand_id, &version.model_id]);
        let also = also.chain([&self.description, &self.serial_number]).map(String::as_str);
        seen!(
            self,
            eui = eui(ids.map(|ids| &ids.dev_eui)),
            join_eui = eui(ids.map(|ids| &ids.join_eui)),
            also = also.collect()
        )
    }
}

impl Searchable for Gateway {
    fn seen(&self) -> Seen<'_> {
        let eui = self.eui().map(|eui| eui.to_string()).unwrap_or_default();
        seen!(self, eui = eui.into())
    }
}

impl Searchable for Organization {
    fn seen(&self) -> Seen<'_> {
        seen!(self)
    }
}

impl Searchable for User {
    fn seen(&self) -> Seen<'_> {
        seen!(self, state = Some(self.state), also = vec![&self.primary_email_address])
    }
}

fn hex(octets: &[u8]) -> String {
    data_encoding::HEXUPPER.encode(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    // IS-52
    #[test]
    fn every_part_that_is_given_must_hold() {
        let gateway = Gateway {
            name: "Roof of the Town Hall".to_owned(),
            attributes: [("site".to_owned(), "North".to_owned())].into(),
            ..Gateway::new(&"gtw-1".parse().unwrap()).with_eui("A1".repeat(8).parse().unwrap())
        };
        let query = |query: &str| Search { query: query.to_owned(), ..Search::default() };
        for found in ["", "GTW", "town", "a1a1"] {
            assert!(query(found).finds(&gateway), "{found}");
        }
        assert!(!query("gtw-2").finds(&gateway));
        let site = |part: &str| [("site".to_owned(), part.to_owned())].into();
        let both = Search { attributes: site("nor"), eui: "1a1a".to_owned(), ..query("roof") };
        assert!(both.finds(&gateway));
        assert!(!Search { attributes: site("south"), ..both.clone() }.finds(&gateway));
        assert!(!Search { states: vec![1], ..both }.finds(&gateway), "gateways have no state");
    }

    #[test]
    fn users_are_found_by_state_and_address() {
        let user = User { state: 1, ..User::new(&"me".parse().unwrap(), "Me@example.com") };
        let search = Search { query: "me@ex".to_owned(), states: vec![1, 3], ..Search::default() };
        assert!(search.finds(&user));
        assert!(!Search { states: vec![3], ..search }.finds(&user));
    }
}
