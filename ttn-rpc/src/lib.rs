//! gRPC and HTTP/JSON transport of the API: servers, authentication metadata, error bodies.
