//! Join Server: root keys, joins and session keys.
