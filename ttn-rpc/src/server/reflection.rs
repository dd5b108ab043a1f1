//! gRPC reflection: what the services that are served look like.

use std::collections::BTreeSet;

use axum::Router;
use tonic_reflection::server::Builder;
use ttn_proto::FILE_DESCRIPTORS;

use super::Api;

/// The routes of both versions of the protocol. Everybody may ask: the API is public.
pub(super) fn routes(api: &Api) -> Router {
    let services: BTreeSet<_> = api
        .methods()
        .filter_map(|method| method.rpc().path.trim_start_matches('/').split_once('/'))
        .map(|(service, _)| service)
        .collect();
    let builder = || {
        let builder = Builder::configure().register_encoded_file_descriptor_set(FILE_DESCRIPTORS);
        services.iter().fold(builder, |builder, service| builder.with_service_name(*service))
    };
    let mut router = Router::new();
    // They are built from a constant that the generator's test has compiled.
    if let Ok(service) = builder().build_v1() {
        router = router.route_service("/grpc.reflection.v1.ServerReflection/{rpc}", service);
    }
    if let Ok(service) = builder().build_v1alpha() {
        router = router.route_service("/grpc.reflection.v1alpha.ServerReflection/{rpc}", service);
    }
    router
}
