//! Identity Server: users, applications, gateways, end devices, rights and API keys.
