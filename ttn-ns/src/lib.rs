//! Network Server: deduplication, device matching, the driver of the MAC engine and downlink slots.
//!
//! * [`store`]: the storage port and the records that it holds;
//! * [`device`]: a device as the Network Server knows it.

pub mod device;
pub mod store;
