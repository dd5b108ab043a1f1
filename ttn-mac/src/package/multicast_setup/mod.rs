//! Remote Multicast Setup (TS005): devices learn the keys of groups, and when they listen to them.
//!
//! Keys travel encrypted: [`Group::setup`] encrypts the key of a group for one device, [`Device`] decrypts it and
//! derives the session keys. Sessions begin at a GPS time; the answer tells how far the device thinks that is, so that
//! the server sees whether its clock is right.

mod command;
mod device;
mod server;

pub use command::{
    Downlink, GroupSetup, Session, SessionAns, SessionKind, Uplink, parse_downlink, parse_uplink,
};
pub use device::{Device, Effect, GroupContext, Radio};
pub use server::{Group, Member, MemberEvent};

/// The port of the package unless an application chooses another.
pub const F_PORT: u8 = 200;
/// The number of the package.
pub const IDENTIFIER: u8 = 2;
/// How many groups a device may be in: McGroupID has two bits.
pub const GROUPS_MAX: usize = 4;
/// The longest time to a start that an answer tells, in seconds; a longer one is told as this.
pub const TIME_TO_START_MAX: u32 = (1 << 24) - 1;
