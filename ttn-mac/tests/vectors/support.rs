//! Cases, kinds, and how to read their members.

use serde_json::Value;
use ttn_core::{
    addr::{DevAddr, NetId},
    eui::{DevEui, JoinEui},
    key::Aes128Key,
};
use ttn_mac::command::Direction;

/// A kind of cases and what checks it; `None` for a later issue.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) check: Option<Check>,
}

/// Checks one case and panics if it fails.
pub(crate) type Check = fn(&Case);

pub(crate) const fn checked(name: &'static str, check: Check) -> Kind {
    Kind { name, check: Some(check) }
}

pub(crate) const fn later(name: &'static str) -> Kind {
    Kind { name, check: None }
}

pub(crate) struct Case(pub(crate) Value);

impl Case {
    pub(crate) fn id(&self) -> String {
        self.0["id"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn kind(&self) -> String {
        self.0["kind"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn input(&self) -> Fields<'_> {
        Fields(&self.0["input"])
    }

    pub(crate) fn expected(&self) -> Fields<'_> {
        Fields(&self.0["expected"])
    }
}

/// An object of a case.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'v>(pub(crate) &'v Value);

impl<'v> Fields<'v> {
    pub(crate) fn value(self, name: &str) -> &'v Value {
        self.0.get(name).unwrap_or(&Value::Null)
    }

    pub(crate) fn has(self, name: &str) -> bool {
        !self.value(name).is_null()
    }

    pub(crate) fn object(self, name: &str) -> Self {
        assert!(self.value(name).is_object(), "{name} is no object in {}", self.0);
        Self(self.value(name))
    }

    pub(crate) fn text(self, name: &str) -> &'v str {
        self.value(name).as_str().unwrap_or_else(|| panic!("{name} is no text in {}", self.0))
    }

    pub(crate) fn number(self, name: &str) -> i64 {
        self.value(name).as_i64().unwrap_or_else(|| panic!("{name} is no number in {}", self.0))
    }

    pub(crate) fn int<T: TryFrom<i64>>(self, name: &str) -> T {
        T::try_from(self.number(name)).unwrap_or_else(|_| panic!("{name} is too large"))
    }

    /// A number that is 0 if the case does not name it.
    pub(crate) fn int_or_zero<T: TryFrom<i64> + Default>(self, name: &str) -> T {
        if self.has(name) { self.int(name) } else { T::default() }
    }

    pub(crate) fn flag(self, name: &str) -> bool {
        self.value(name).as_bool().unwrap_or_else(|| panic!("{name} is no flag in {}", self.0))
    }

    pub(crate) fn flag_or_false(self, name: &str) -> bool {
        self.has(name) && self.flag(name)
    }

    pub(crate) fn bytes(self, name: &str) -> Vec<u8> {
        data_encoding::HEXLOWER_PERMISSIVE.decode(self.text(name).as_bytes()).unwrap()
    }

    pub(crate) fn array<const N: usize>(self, name: &str) -> [u8; N] {
        self.bytes(name).try_into().unwrap_or_else(|_| panic!("{name} has not {N} octets"))
    }

    pub(crate) fn key(self, name: &str) -> Aes128Key {
        Aes128Key::new(self.array(name))
    }

    pub(crate) fn dev_addr(self, name: &str) -> DevAddr {
        DevAddr::from_be_bytes(self.array(name))
    }

    pub(crate) fn net_id(self, name: &str) -> NetId {
        NetId::from_be_bytes(self.array(name))
    }

    pub(crate) fn join_eui(self, name: &str) -> JoinEui {
        JoinEui::from_be_bytes(self.array(name))
    }

    pub(crate) fn dev_eui(self, name: &str) -> DevEui {
        DevEui::from_be_bytes(self.array(name))
    }

    /// A nonce of two octets, big-endian.
    pub(crate) fn nonce_16(self, name: &str) -> u16 {
        u16::from_be_bytes(self.array(name))
    }

    /// A nonce of three octets, big-endian.
    pub(crate) fn nonce_24(self, name: &str) -> u32 {
        let [a, b, c] = self.array(name);
        u32::from_be_bytes([0, a, b, c])
    }

    pub(crate) fn direction(self) -> Direction {
        match self.text("direction") {
            "uplink" => Direction::Uplink,
            "downlink" => Direction::Downlink,
            other => panic!("{other} is no direction"),
        }
    }
}
