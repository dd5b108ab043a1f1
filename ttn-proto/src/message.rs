//! What every message of the API can do, and the tables that describe it.

use std::any::Any;

use serde_json::Value;

use crate::json::{JsonError, Writer, read};
use crate::mask::{Path, UnknownPath};
use crate::validate::{Validator, Violation};

/// A message of the API. Implemented by generated code for each of them.
pub trait ApiMessage: prost::Message + Clone + Default + PartialEq + 'static {
    /// Names the fields and says how they are encoded.
    fn descriptor() -> &'static Descriptor;

    /// Writes the fields that are set, without braces.
    fn write_fields(&self, w: &mut Writer);

    /// Reads one field; an unknown name is ignored.
    ///
    /// # Errors
    ///
    /// Fails if the value does not fit the field.
    fn read_field(&mut self, name: &str, value: Value) -> Result<(), JsonError>;

    /// Copies what `path` selects in `from`; what is unset there is cleared here.
    ///
    /// # Errors
    ///
    /// Fails if there is no such path.
    fn copy_path(&mut self, from: &Self, path: &mut Path<'_>) -> Result<(), UnknownPath>;

    /// The field `field_mask`, if the message has one and it is set.
    fn field_mask(&self) -> Option<&prost_types::FieldMask> {
        None
    }

    /// Checks the validation rules.
    ///
    /// # Errors
    ///
    /// Fails with the first rule that does not hold.
    fn check(&self, v: &mut Validator<'_>) -> Result<(), Violation> {
        let _ = v;
        Ok(())
    }

    /// Writes the message as a JSON value.
    fn write(&self, w: &mut Writer) {
        w.begin_object();
        self.write_fields(w);
        w.end_object();
    }

    /// Reads the message from a JSON value.
    ///
    /// # Errors
    ///
    /// Fails if the value or one of its fields does not fit.
    fn read(value: Value) -> Result<Self, JsonError> {
        read::object(value)
    }
}

impl<T: ApiMessage> ApiMessage for Box<T> {
    fn descriptor() -> &'static Descriptor {
        T::descriptor()
    }

    fn write_fields(&self, w: &mut Writer) {
        (**self).write_fields(w);
    }

    fn read_field(&mut self, name: &str, value: Value) -> Result<(), JsonError> {
        (**self).read_field(name, value)
    }

    fn copy_path(&mut self, from: &Self, path: &mut Path<'_>) -> Result<(), UnknownPath> {
        (**self).copy_path(from, path)
    }

    fn check(&self, v: &mut Validator<'_>) -> Result<(), Violation> {
        (**self).check(v)
    }

    fn write(&self, w: &mut Writer) {
        (**self).write(w);
    }

    fn read(value: Value) -> Result<Self, JsonError> {
        T::read(value).map(Self::new)
    }
}

/// `google.protobuf.Empty`.
impl ApiMessage for () {
    fn descriptor() -> &'static Descriptor {
        static EMPTY: Descriptor =
            Descriptor { name: "google.protobuf.Empty", json: Json::Standard, fields: &[] };
        &EMPTY
    }

    fn write_fields(&self, _: &mut Writer) {}

    fn read_field(&mut self, _: &str, _: Value) -> Result<(), JsonError> {
        Ok(())
    }

    fn copy_path(&mut self, _: &Self, path: &mut Path<'_>) -> Result<(), UnknownPath> {
        path.unknown()
    }
}

/// A message whose type is not known at compile time.
pub trait DynMessage: Any + Send + Sync {
    /// Encodes the message as protobuf.
    fn encode_to_vec(&self) -> Vec<u8>;

    /// Writes the message as a JSON value.
    fn write_json(&self, w: &mut Writer);

    /// Writes the fields without braces.
    fn write_json_fields(&self, w: &mut Writer);

    /// Describes the message.
    fn descriptor(&self) -> &'static Descriptor;

    /// Gives back the message as it was before it was boxed.
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

impl std::fmt::Debug for dyn DynMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple(self.descriptor().name).finish_non_exhaustive()
    }
}

impl<T: ApiMessage> DynMessage for T {
    fn encode_to_vec(&self) -> Vec<u8> {
        prost::Message::encode_to_vec(self)
    }

    fn write_json(&self, w: &mut Writer) {
        self.write(w);
    }

    fn write_json_fields(&self, w: &mut Writer) {
        self.write_fields(w);
    }

    fn descriptor(&self) -> &'static Descriptor {
        T::descriptor()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

type Decode = fn(&[u8]) -> Result<Box<dyn DynMessage>, prost::DecodeError>;

/// A message in the table of all messages.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) decode: Decode,
    pub(crate) read: fn(Value) -> Result<Box<dyn DynMessage>, JsonError>,
}

/// Makes an entry of the table of all messages.
pub(crate) const fn entry<T: ApiMessage>(name: &'static str) -> Entry {
    fn decode<T: ApiMessage>(bytes: &[u8]) -> Result<Box<dyn DynMessage>, prost::DecodeError> {
        Ok(Box::new(T::decode(bytes)?))
    }
    fn read<T: ApiMessage>(value: Value) -> Result<Box<dyn DynMessage>, JsonError> {
        Ok(Box::new(T::read(value)?))
    }
    Entry { name, decode: decode::<T>, read: read::<T> }
}

/// Describes a message.
#[derive(Debug)]
#[non_exhaustive]
pub struct Descriptor {
    /// The name without the package, `Outer.Inner` for a nested message.
    pub name: &'static str,
    /// How it is encoded as JSON.
    pub json: Json,
    /// The fields in the order of the `.proto` file.
    pub fields: &'static [Field],
}

/// Describes a field.
#[derive(Debug)]
#[non_exhaustive]
pub struct Field {
    /// The name in the `.proto` file.
    pub name: &'static str,
    /// The name in lowerCamelCase.
    pub json_name: &'static str,
    /// The oneof that the field is a member of.
    pub oneof: Option<&'static str>,
    /// How often the field holds its value.
    pub label: Label,
    /// The type of the value; of a map, the type of its values.
    pub kind: Kind,
}

/// How a message is encoded as JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Json {
    /// The rules of The Things Stack.
    Plugin,
    /// Plain proto3 JSON.
    Standard,
    /// The bare value of the only field.
    Wrapper,
}

/// How often a field holds its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Label {
    /// A map.
    Map,
    /// A list.
    Repeated,
    /// At most once.
    Single,
}

/// The type of a field, as far as paths and query parameters need it.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Kind {
    /// `google.protobuf.Any`.
    Any,
    /// A boolean or its wrapper.
    Bool,
    /// Bytes.
    Bytes,
    /// `google.protobuf.Duration`.
    Duration,
    /// An enum.
    Enum,
    /// `google.protobuf.FieldMask`.
    FieldMask,
    /// A floating-point number or its wrapper.
    Float,
    /// An integer or its wrapper.
    Integer,
    /// A message of the API.
    Message(fn() -> &'static Descriptor),
    /// A string or its wrapper.
    String,
    /// `google.protobuf.Struct`.
    Struct,
    /// `google.protobuf.Timestamp`.
    Timestamp,
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match self {
            Self::Any => "Any",
            Self::Bool => "Bool",
            Self::Bytes => "Bytes",
            Self::Duration => "Duration",
            Self::Enum => "Enum",
            Self::FieldMask => "FieldMask",
            Self::Float => "Float",
            Self::Integer => "Integer",
            Self::Message(descriptor) => descriptor().name,
            Self::String => "String",
            Self::Struct => "Struct",
            Self::Timestamp => "Timestamp",
        };
        f.write_str(name)
    }
}

impl Descriptor {
    /// Finds a field by its proto or JSON name.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name || field.json_name == name)
    }
}
