//! Packages of the application layer: what devices and applications speak on ports of their own.

pub mod clock_sync;
