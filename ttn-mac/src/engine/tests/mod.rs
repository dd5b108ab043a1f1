//! The engine against the device: join, uplink, downlink, and each rule with its id.

mod adr;
mod class_b;
mod commands;
mod downlink;
mod join;
mod lossy;
mod matching;
mod matrix;
mod network;
mod rejoin;
mod relay;
mod rig;
