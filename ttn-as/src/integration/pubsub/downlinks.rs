//! `DownlinkQueueRequest`: what applications publish at their broker (AS-50).

use prost::Message as _;
use ttn_core::{
    error::{ErrorBody, ErrorKind},
    id::{ApplicationId, DeviceId, DeviceKey},
    time::Timestamp,
};
use ttn_proto::{convert, json, v3, validate};

use super::Format;
use crate::{DownlinkItem, convert::downlink_from_api};

/// Reads a request about a device of the application.
pub(super) fn read(
    format: Format,
    application: &ApplicationId,
    octets: &[u8],
    now: Timestamp,
) -> Result<(DeviceKey, Vec<DownlinkItem>), ErrorBody> {
    let request = match format {
        Format::Json => json::from_slice::<v3::DownlinkQueueRequest>(octets)
            .map_err(|error| wrong(&error.to_string()))?,
        Format::Protobuf => {
            v3::DownlinkQueueRequest::decode(octets).map_err(|error| wrong(&error.to_string()))?
        }
    };
    let ids = request.end_device_ids.clone().unwrap_or_default();
    let named = ids.application_ids.as_ref().map(|ids| ids.application_id.as_str());
    if named.is_some_and(|named| named != application.as_str()) {
        return Err(wrong("the device is one of another application"));
    }
    let device: DeviceId = ids.device_id.parse().map_err(|_| {
        wrong("`end_device_ids.device_id` is missing or no id; it names the device")
    })?;
    let items = request.downlinks.iter().map(|downlink| {
        validate::validate(downlink, convert::timestamp(now))
            .map_err(|error| wrong(&error.to_string()))?;
        downlink_from_api(downlink).map_err(|status| wrong(status.message()))
    });
    Ok((DeviceKey::new(application.clone(), device), items.collect::<Result<_, _>>()?))
}

fn wrong(message: &str) -> ErrorBody {
    let text = format!("this is no DownlinkQueueRequest: {message}");
    ErrorBody::new("pkg/applicationserver", "field_value", ErrorKind::InvalidArgument, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    // AS-50
    #[test]
    fn requests_are_read_in_both_formats_and_only_about_own_devices() {
        let application: ApplicationId = "my-app".parse().unwrap();
        let text = br#"{"end_device_ids":{"device_id":"my-dev","application_ids":{"application_id":"my-app"}},
            "downlinks":[{"f_port":1,"frm_payload":"AQ==","priority":"HIGH"}]}"#;
        let now = Timestamp::UNIX_EPOCH;
        let (device, items) = read(Format::Json, &application, text, now).unwrap();
        assert_eq!((device.to_string().as_str(), items.len()), ("my-app.my-dev", 1));
        let message: v3::DownlinkQueueRequest = json::from_slice(text).unwrap();
        let octets = message.encode_to_vec();
        assert_eq!(read(Format::Protobuf, &application, &octets, now).unwrap(), (device, items));
        let other = "other-app".parse().unwrap();
        assert!(read(Format::Json, &other, text, now).is_err());
        for octets in [
            &b"{}"[..],
            b"{",
            br#"{"end_device_ids":{"device_id":"my-dev"},"downlinks":[{"f_port":224}]}"#,
        ] {
            assert!(read(Format::Json, &application, octets, now).is_err());
        }
    }
}
