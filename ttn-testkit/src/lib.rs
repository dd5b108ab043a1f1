//! Virtual time, virtual air, virtual devices and gateways, for our tests and our users'.
