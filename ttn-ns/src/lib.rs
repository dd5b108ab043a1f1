//! Network Server: deduplication, device matching, the driver of the MAC engine and downlink slots.
