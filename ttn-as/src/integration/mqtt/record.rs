//! Sessions as octets: protobuf messages of the package `ttn.store.v1`.

use bytes::Bytes;
use prost::Message as _;
use ttn_core::{
    store::{StoreError, StoreErrorKind},
    time::Timestamp,
};

use super::state::{Filter, Place, Repeated};
use crate::{log::Cursor, store::ReaderState};

#[derive(Clone, PartialEq, prost::Message)]
struct MqttSession {
    #[prost(message, repeated, tag = "1")]
    filters: Vec<MqttFilter>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct MqttFilter {
    #[prost(string, tag = "1")]
    text: String,
    #[prost(bool, tag = "2")]
    is_acknowledged: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct MqttProgress {
    #[prost(int64, optional, tag = "1")]
    disconnected_at: Option<i64>,
    #[prost(int64, optional, tag = "2")]
    repeated_before: Option<i64>,
    #[prost(string, optional, tag = "3")]
    repeated_through: Option<String>,
}

pub(super) fn encode_filters(filters: &[Filter]) -> Bytes {
    let wire = |filter: &Filter| MqttFilter {
        text: filter.text.clone(),
        is_acknowledged: filter.is_acknowledged,
    };
    MqttSession { filters: filters.iter().map(wire).collect() }.encode_to_vec().into()
}

pub(super) fn decode_filters(octets: &[u8]) -> Result<Vec<Filter>, StoreError> {
    let wire = MqttSession::decode(octets).map_err(corrupt)?;
    let filter =
        |wire: MqttFilter| Filter { text: wire.text, is_acknowledged: wire.is_acknowledged };
    Ok(wire.filters.into_iter().map(filter).collect())
}

pub(super) fn encode_place(place: Place) -> ReaderState {
    let repeated = place.repeated.as_ref();
    let through = repeated.and_then(|repeated| repeated.through.as_ref());
    let progress = MqttProgress {
        disconnected_at: place.disconnected_at.map(Timestamp::unix_nanos),
        repeated_before: repeated.map(|repeated| repeated.before.unix_nanos()),
        repeated_through: through.map(ToString::to_string),
    };
    // The end stands for no place at all.
    let cursor = place.done.unwrap_or_else(Cursor::end);
    ReaderState { cursor, progress: progress.encode_to_vec().into() }
}

pub(super) fn decode_place(state: &ReaderState) -> Result<Place, StoreError> {
    let wire = MqttProgress::decode(&*state.progress).map_err(corrupt)?;
    let through = wire.repeated_through.map(|text| text.parse()).transpose();
    let through = through.map_err(corrupt)?;
    let repeated = wire
        .repeated_before
        .map(|before| Repeated { before: Timestamp::from_unix_nanos(before), through });
    Ok(Place {
        done: (!state.cursor.is_end()).then(|| state.cursor.clone()),
        repeated,
        disconnected_at: wire.disconnected_at.map(Timestamp::from_unix_nanos),
    })
}

fn corrupt(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::new(StoreErrorKind::Corrupt, "the record of an MQTT session").caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_survive_encoding() {
        let filters = vec![Filter { text: "v3/my-app/#".to_owned(), is_acknowledged: true }];
        assert_eq!(decode_filters(&encode_filters(&filters)).unwrap(), filters);
        let time = Timestamp::from_unix_secs(5);
        for through in [None, Some(Cursor::behind(9))] {
            let place = Place {
                done: Some(Cursor::behind(7)),
                repeated: Some(Repeated { before: time, through }),
                disconnected_at: Some(time),
            };
            assert_eq!(decode_place(&encode_place(place.clone())).unwrap(), place);
        }
        assert_eq!(decode_place(&encode_place(Place::default())).unwrap(), Place::default());
    }
}
