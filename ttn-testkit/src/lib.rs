//! Virtual time, virtual air, virtual devices and gateways: for our tests and our users'.
//!
//! A [`World`] is a sans-io machine: devices transmit, the air carries frames to gateways, gateways speak
//! the datagrams of a Semtech packet forwarder, and downlinks reach a device only in a receive window that it
//! has open, on the right frequency, with the right data rate and inverted IQ. Everything happens on one heap
//! of (time, sequence) and all chance comes from a seed: the same seed gives the same world.
//!
//! The world does not know any server. Whoever drives it ([`drive`]) carries datagrams between it and a
//! [`GatewayLink`]: the in-memory front end of `ttn-gs` in virtual time, or real sockets.

mod clock;
mod device;
mod drive;
mod entropy;
mod gateway;
mod heap;
mod world;

pub use clock::VirtualClock;
pub use device::Device;
pub use drive::{GatewayLink, UdpLink, WorldHandle, drive};
pub use entropy::SeededEntropy;
pub use gateway::{Emission, Gateway, GatewayModel};
pub use heap::EventHeap;
pub use world::{
    Action, DeviceNo, GatewayNo, Happened, Heard, Link, Node, Occurrence, Transmission, Window,
    World,
};
