//! Field masks: which paths a message has, and what they select.
//!
//! A path names fields joined by dots; a oneof contributes its own name (`up.uplink_message.f_port`,
//! and `up` for all of it). Paths end at lists, maps and `google.protobuf` messages. A selected path
//! that is unset in the source clears the field; a path selects everything below it.

use crate::message::{ApiMessage, Descriptor, Field, Kind, Label};

/// Copies the fields selected by `paths` from `src` to `dst`.
///
/// # Errors
///
/// Fails at the first path that the message does not have; earlier paths are applied then.
pub fn apply<T, I>(dst: &mut T, src: &T, paths: I) -> Result<(), UnknownPath>
where
    T: ApiMessage,
    I: IntoIterator,
    I::Item: AsRef<str>,
{
    for path in paths {
        let path = path.as_ref();
        dst.copy_path(src, &mut Path::new(path)).map_err(|_| UnknownPath::new(path))?;
    }
    Ok(())
}

/// A copy of `message` that holds only what `paths` select.
///
/// # Errors
///
/// Fails at the first path that the message does not have.
pub fn filter<T, I>(message: &T, paths: I) -> Result<T, UnknownPath>
where
    T: ApiMessage,
    I: IntoIterator,
    I::Item: AsRef<str>,
{
    let mut filtered = T::default();
    apply(&mut filtered, message, paths)?;
    Ok(filtered)
}

/// Clears the fields selected by `paths`.
///
/// # Errors
///
/// Fails at the first path that the message does not have.
pub fn clear<T, I>(message: &mut T, paths: I) -> Result<(), UnknownPath>
where
    T: ApiMessage,
    I: IntoIterator,
    I::Item: AsRef<str>,
{
    apply(message, &T::default(), paths)
}

/// Whether anything that `path` selects is set; false for a path that does not exist.
pub fn is_set<T: ApiMessage>(message: &T, path: &str) -> bool {
    let Ok(selected) = filter(message, [path]) else { return false };
    let mut cleared = selected.clone();
    clear(&mut cleared, [path]).is_ok() && cleared != selected
}

/// Whether a list of paths selects `path`, by itself or by one of its parents.
pub fn selects<S: AsRef<str>>(paths: &[S], path: &str) -> bool {
    paths.iter().any(|selected| is_within(path, selected.as_ref()))
}

/// Whether a list of paths touches `path`: selects it, or something below it.
pub fn touches<S: AsRef<str>>(paths: &[S], path: &str) -> bool {
    paths
        .iter()
        .any(|selected| is_within(path, selected.as_ref()) || is_within(selected.as_ref(), path))
}

/// Whether `path` is `parent` or below it.
pub(crate) fn is_within(path: &str, parent: &str) -> bool {
    path.strip_prefix(parent).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

impl Descriptor {
    /// All paths of the message, parents before children, otherwise in the order of the fields.
    pub fn paths(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.collect(&mut String::new(), &mut found);
        found
    }

    /// Whether the message has this path.
    pub fn has_path(&self, path: &str) -> bool {
        let (first, rest) = split(path);
        let Some(field) =
            self.fields.iter().find(|field| field.oneof.unwrap_or(field.name) == first)
        else {
            return false;
        };
        let (field, rest) = match (field.oneof, rest) {
            (Some(_), None) => return true,
            (Some(oneof), Some(rest)) => {
                let (member, rest) = split(rest);
                let member = self
                    .fields
                    .iter()
                    .find(|field| field.oneof == Some(oneof) && field.name == member);
                match member {
                    Some(field) => (field, rest),
                    None => return false,
                }
            }
            (None, rest) => (field, rest),
        };
        match (rest, field.nested()) {
            (None, _) => true,
            (Some(rest), Some(_)) if self.is_recursive(field) => CAUSE.contains(&rest),
            (Some(rest), Some(nested)) => nested.has_path(rest),
            (Some(_), None) => false,
        }
    }

    fn collect(&self, prefix: &mut String, found: &mut Vec<String>) {
        let mut seen = Vec::new();
        let length = prefix.len();
        for field in self.fields {
            if let Some(oneof) = field.oneof {
                prefix.push_str(oneof);
                if !seen.contains(&oneof) {
                    seen.push(oneof);
                    found.push(prefix.clone());
                }
                prefix.push('.');
            }
            prefix.push_str(field.name);
            found.push(prefix.clone());
            if let Some(nested) = field.nested() {
                prefix.push('.');
                if self.is_recursive(field) {
                    found.extend(CAUSE.iter().map(|name| format!("{prefix}{name}")));
                } else {
                    nested.collect(prefix, found);
                }
            }
            prefix.truncate(length);
        }
    }

    /// `ErrorDetails.cause` is the only recursion; it goes one step.
    fn is_recursive(&self, field: &Field) -> bool {
        self.name == "ErrorDetails" && field.name == "cause"
    }
}

/// The paths below `ErrorDetails.cause`.
const CAUSE: &[&str] = &["namespace", "name", "message_format", "attributes", "correlation_id"];

impl Field {
    /// The message below, if paths go on there.
    pub(crate) fn nested(&self) -> Option<&'static Descriptor> {
        match (self.label, self.kind) {
            (Label::Single, Kind::Message(descriptor)) => Some(descriptor()),
            _ => None,
        }
    }
}

fn split(path: &str) -> (&str, Option<&str>) {
    path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)))
}

/// A path that a message does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no field `{path}`")]
#[non_exhaustive]
pub struct UnknownPath {
    /// The whole path.
    pub path: String,
}

impl UnknownPath {
    fn new(path: &str) -> Self {
        Self { path: path.to_owned() }
    }
}

/// What is left of a path while generated code follows it.
#[derive(Debug)]
pub struct Path<'a> {
    rest: Option<&'a str>,
}

impl<'a> Path<'a> {
    pub(crate) fn new(path: &'a str) -> Self {
        Self { rest: Some(path) }
    }

    /// Takes the next segment.
    #[expect(clippy::should_implement_trait, reason = "not an iterator for users")]
    pub fn next(&mut self) -> Option<&'a str> {
        let (first, rest) = split(self.rest?);
        self.rest = rest;
        Some(first)
    }

    /// The answer for a segment that does not exist; callers know the whole path.
    pub(crate) fn unknown(&self) -> Result<(), UnknownPath> {
        Err(UnknownPath::new(self.rest.unwrap_or_default()))
    }

    pub(crate) fn leaf<T: Clone>(&self, dst: &mut T, src: &T) -> Result<(), UnknownPath> {
        if self.rest.is_some() {
            return self.unknown();
        }
        dst.clone_from(src);
        Ok(())
    }

    pub(crate) fn member<T: Clone>(
        &self,
        dst: &mut Option<T>,
        src: Option<&T>,
    ) -> Result<(), UnknownPath> {
        if self.rest.is_some() {
            return self.unknown();
        }
        *dst = src.cloned();
        Ok(())
    }

    pub(crate) fn message<T: ApiMessage>(
        &mut self,
        dst: &mut Option<T>,
        src: Option<&T>,
    ) -> Result<(), UnknownPath> {
        match (self.rest, src) {
            (None, src) => {
                *dst = src.cloned();
                Ok(())
            }
            (Some(_), Some(src)) => dst.get_or_insert_default().copy_path(src, self),
            (Some(_), None) => match dst {
                Some(dst) => dst.copy_path(&T::default(), self),
                None => T::default().copy_path(&T::default(), self),
            },
        }
    }
}

/// Follows a path into one member of a oneof.
macro_rules! member {
    ($dst:expr, $src:expr, $($variant:ident)::+, $path:expr, $how:ident) => {{
        let mut to = match $dst.take() {
            Some($($variant)::+(value)) => Some(value),
            other => {
                $dst = other;
                None
            }
        };
        #[allow(unreachable_patterns, reason = "a oneof may have one member")]
        let from = match &$src {
            Some($($variant)::+(value)) => Some(value),
            _ => None,
        };
        let result = $path.$how(&mut to, from);
        if let Some(value) = to {
            $dst = Some($($variant)::+(value));
        }
        result
    }};
}
pub(crate) use member;
