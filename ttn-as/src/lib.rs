//! Application Server: payload cryptography, formatters, the log and the integrations that read it.
