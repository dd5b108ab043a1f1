//! Gateway Server: gateway protocols, concentrator clocks and downlink scheduling.
