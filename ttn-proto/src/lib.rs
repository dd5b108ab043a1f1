//! The ttn.lorawan.v3 messages with the JSON rules of The Things Stack, and conversions to and from ttn-core types.
