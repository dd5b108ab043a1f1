//! An association, and how it is stored: the message `ttn.store.v1.PackageAssociation`.

use prost::Message as _;
use serde_json::{Map, Value};
use ttn_core::{
    store::{StoreError, StoreErrorKind},
    time::Timestamp,
};

/// What a package is told.
pub type Data = Map<String, Value>;

/// A package on a port.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct Association {
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// The package.
    pub package_name: String,
    /// What it is told.
    pub data: Data,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PackageAssociation {
    #[prost(int64, tag = "1")]
    created_at: i64,
    #[prost(int64, tag = "2")]
    updated_at: i64,
    #[prost(string, tag = "3")]
    package_name: String,
    #[prost(bytes = "vec", tag = "4")]
    data_json: Vec<u8>,
}

impl Association {
    /// The octets to store.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        PackageAssociation {
            created_at: self.created_at.unix_nanos(),
            updated_at: self.updated_at.unix_nanos(),
            package_name: self.package_name.clone(),
            data_json: serde_json::to_vec(&self.data).unwrap_or_default(),
        }
        .encode_to_vec()
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    ///
    /// The octets are no association.
    pub fn decode(octets: &[u8]) -> Result<Self, StoreError> {
        let corrupt = || StoreError::new(StoreErrorKind::Corrupt, "the record of a package");
        let wire =
            PackageAssociation::decode(octets).map_err(|error| corrupt().caused_by(error))?;
        let data = serde_json::from_slice(&wire.data_json);
        Ok(Self {
            created_at: Timestamp::from_unix_nanos(wire.created_at),
            updated_at: Timestamp::from_unix_nanos(wire.updated_at),
            package_name: wire.package_name,
            data: data.map_err(|error| corrupt().caused_by(error))?,
        })
    }
}
