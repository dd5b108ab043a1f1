//! Finds the binding of a path.

use std::collections::BTreeMap;

use axum::http::Method;
use percent_encoding::percent_decode_str;
use ttn_proto::rpc::{Binding, Rpc, SERVICES};

/// All bindings, as a tree over the segments of their paths.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    root: Node,
}

#[derive(Debug, Default)]
struct Node {
    literal: BTreeMap<&'static str, Self>,
    param: Option<Box<Self>>,
    ends: Vec<(&'static Rpc, &'static Binding)>,
}

/// What is at a path.
pub(crate) enum Lookup {
    Found(Matched),
    Unknown,
    WrongMethod,
}

/// A binding with the segments that matched it.
pub(crate) struct Matched {
    pub(crate) rpc: &'static Rpc,
    pub(crate) binding: &'static Binding,
    segments: Vec<String>,
}

impl Matched {
    /// The parameters: path of the field and its value.
    pub(crate) fn params(&self) -> impl Iterator<Item = (&'static str, String)> {
        parts(self.rpc, self.binding).zip(&self.segments).filter_map(|(part, value)| {
            let name = part.strip_prefix('{')?.strip_suffix('}')?;
            Some((name, percent_decode_str(value).decode_utf8_lossy().into_owned()))
        })
    }
}

impl Routes {
    /// The bindings of some RPCs.
    pub(crate) fn new(of: impl Fn(&Rpc) -> bool) -> Self {
        let mut routes = Self::default();
        for rpc in SERVICES.iter().flat_map(|service| service.rpcs).filter(|rpc| of(rpc)) {
            for binding in rpc.bindings {
                let mut node = &mut routes.root;
                for part in parts(rpc, binding) {
                    node = if part.starts_with('{') {
                        node.param.get_or_insert_default()
                    } else {
                        node.literal.entry(part).or_default()
                    };
                }
                node.ends.push((rpc, binding));
            }
        }
        routes
    }

    /// Finds the binding of a path; words win over parameters.
    pub(crate) fn find(&self, method: &Method, path: &str) -> Lookup {
        let segments: Vec<_> = path.trim_start_matches('/').split('/').collect();
        let mut ends = Vec::new();
        collect(&self.root, &segments, &mut ends);
        if ends.is_empty() {
            return Lookup::Unknown;
        }
        match ends.iter().find(|(_, binding)| binding.verb.as_str() == method.as_str()) {
            Some((rpc, binding)) => Lookup::Found(Matched {
                rpc,
                binding,
                segments: segments.into_iter().map(str::to_owned).collect(),
            }),
            None => Lookup::WrongMethod,
        }
    }
}

/// The segments of the path of a binding, its base included.
fn parts(rpc: &Rpc, binding: &'static Binding) -> impl Iterator<Item = &'static str> + use<> {
    let base = rpc.base().trim_start_matches('/').split('/');
    base.chain(binding.path.trim_start_matches('/').split('/'))
}

fn collect(node: &Node, segments: &[&str], ends: &mut Vec<(&'static Rpc, &'static Binding)>) {
    let Some((first, rest)) = segments.split_first() else {
        ends.extend(&node.ends);
        return;
    };
    if let Some(next) = node.literal.get(first) {
        collect(next, rest, ends);
    }
    if let Some(next) = &node.param
        && !first.is_empty()
    {
        collect(next, rest, ends);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(method: Method, path: &str) -> Option<(String, Vec<(&'static str, String)>)> {
        match Routes::new(|_| true).find(&method, path) {
            Lookup::Found(matched) => {
                let name = format!("{}.{}", matched.rpc.service, matched.rpc.name);
                Some((name, matched.params().collect()))
            }
            _ => None,
        }
    }

    #[test]
    fn every_binding_is_found_by_its_own_path() {
        let mut checked = 0;
        for rpc in SERVICES.iter().flat_map(|service| service.rpcs) {
            for binding in rpc.bindings {
                let path: Vec<_> =
                    binding.path.split('/').map(|part| part.trim_start_matches('{')).collect();
                let path = format!("{}{}", rpc.base(), path.join("/").replace('}', ""));
                let method: Method = binding.verb.as_str().parse().unwrap();
                let (name, params) = find(method, &path).unwrap_or_else(|| panic!("{path}"));
                assert_eq!(name, format!("{}.{}", rpc.service, rpc.name), "{path}");
                assert!(params.iter().all(|(name, value)| name == value), "{path}");
                checked += 1;
            }
        }
        assert_eq!(checked, 332);
    }

    #[test]
    fn parameters_are_decoded() {
        let (name, params) = find(Method::GET, "/api/v3/applications/a%2Fb").unwrap();
        assert_eq!(name, "ApplicationRegistry.Get");
        assert_eq!(params, [("application_ids.application_id", "a/b".to_owned())]);
    }

    #[test]
    fn unknown_paths_and_wrong_methods_are_told_apart() {
        let routes = Routes::new(|_| true);
        assert!(matches!(routes.find(&Method::GET, "/api/v3/nothing"), Lookup::Unknown));
        assert!(matches!(routes.find(&Method::GET, "/api/v3/applications/"), Lookup::Unknown));
        assert!(matches!(
            routes.find(&Method::PATCH, "/api/v3/applications/a"),
            Lookup::WrongMethod
        ));
    }
}
