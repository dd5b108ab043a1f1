//! The services of the API as tables: names, streams, HTTP bindings, field masks.

use std::sync::OnceLock;

use crate::message::Descriptor;

pub use crate::generated::rpcs::SERVICES;

/// A service.
#[derive(Debug)]
#[non_exhaustive]
pub struct Service {
    /// The name without the package.
    pub name: &'static str,
    /// The RPCs in the order of the `.proto` file.
    pub rpcs: &'static [Rpc],
}

/// An RPC.
#[derive(Debug)]
#[non_exhaustive]
pub struct Rpc {
    /// The service, without the package.
    pub service: &'static str,
    /// The name.
    pub name: &'static str,
    /// The path of gRPC: `/<package>.<service>/<name>`.
    pub path: &'static str,
    /// Describes the request.
    pub request: fn() -> &'static Descriptor,
    /// Describes the response.
    pub response: fn() -> &'static Descriptor,
    /// Whether the client streams.
    pub client_stream: bool,
    /// Whether the server streams.
    pub server_stream: bool,
    /// The field mask paths that the RPC takes; none at all if absent.
    pub field_mask: Option<&'static FieldMaskRule>,
    /// The HTTP bindings.
    pub bindings: &'static [Binding],
}

/// An HTTP binding of an RPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Binding {
    /// The method.
    pub verb: Verb,
    /// The path below [`Rpc::base`], with `{field.path}` for parameters.
    pub path: &'static str,
    /// Whether the body is the request; if not, what is not in the path is in the query.
    pub body: bool,
}

/// An HTTP method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the API uses no other")]
pub enum Verb {
    /// DELETE
    Delete,
    /// GET
    Get,
    /// PATCH
    Patch,
    /// POST
    Post,
    /// PUT
    Put,
}

impl Rpc {
    /// What the paths of its HTTP bindings stand below.
    pub fn base(&self) -> &'static str {
        if self.path.starts_with("/ttn.lorawan.v3.") { "/api/v3" } else { "/api/v1" }
    }
}

impl Verb {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "DELETE",
            Self::Get => "GET",
            Self::Patch => "PATCH",
            Self::Post => "POST",
            Self::Put => "PUT",
        }
    }
}

/// What an RPC does with its field mask.
#[derive(Debug)]
#[non_exhaustive]
pub struct FieldMaskRule {
    /// The message that the paths are of.
    pub message: fn() -> &'static Descriptor,
    /// The field of the request that holds the message; none if the mask selects what is read.
    pub set: Option<&'static str>,
    /// The paths taken.
    pub allowed: Allowed,
    /// The paths of the message that are not, once they are known.
    pub(crate) forbidden: OnceLock<Vec<String>>,
}

/// The paths that an RPC takes.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Allowed {
    /// Every path of the message.
    All,
    /// Every path but these.
    AllExcept(&'static [&'static str]),
    /// Every path, and these, which are accepted without effect.
    AllPlus(&'static [&'static str]),
    /// These.
    List(&'static [&'static str]),
}

impl FieldMaskRule {
    /// Whether the RPC takes `path`.
    pub fn allows(&self, path: &str) -> bool {
        let known = || (self.message)().has_path(path);
        match self.allowed {
            Allowed::All => known(),
            Allowed::AllExcept(paths) => known() && paths.binary_search(&path).is_err(),
            Allowed::AllPlus(paths) => paths.binary_search(&path).is_ok() || known(),
            Allowed::List(paths) => paths.binary_search(&path).is_ok(),
        }
    }

    /// The paths of the message that the RPC does not take. A path that is listed without any below it stands for all of
    /// them: what it selects is taken as a whole.
    pub fn forbidden(&self) -> &[String] {
        self.forbidden.get_or_init(|| {
            let paths = (self.message)().paths();
            paths.into_iter().filter(|path| !self.allows(path) && !self.is_in_whole(path)).collect()
        })
    }

    /// Whether a path is below a listed one that has none listed below it.
    fn is_in_whole(&self, path: &str) -> bool {
        let Allowed::List(listed) = self.allowed else { return false };
        let mut above = path.match_indices('.').map(|(end, _)| path.get(..end).unwrap_or_default());
        above.any(|above| {
            let Ok(place) = listed.binary_search(&above) else { return false };
            // They are sorted, and no letter of a path comes before the dot.
            let next = listed.get(place + 1).and_then(|next| next.strip_prefix(above));
            !next.is_some_and(|rest| rest.starts_with('.'))
        })
    }
}

/// Finds an RPC by its service and name.
pub fn find(service: &str, name: &str) -> Option<&'static Rpc> {
    let service = SERVICES.iter().find(|known| known.name == service)?;
    service.rpcs.iter().find(|rpc| rpc.name == name)
}
