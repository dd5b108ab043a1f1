//! `AppAs`: formatters tried out (AS-20). Nothing is stored, and no device needs to exist.

use tonic::{Request, Response, Status};
use ttn_core::{auth::Right, id::DeviceIds};
use ttn_proto::{convert, v3};

use super::{Api, device, status};
use crate::{
    Error,
    convert::{object, structure, version_ids_from_api, wrong},
    format::{FormatError, Payload, Structure, check_parameter},
    log::Decoded,
    store::FormatterKind,
};

impl Api {
    pub(super) async fn try_encode_downlink(
        &self,
        request: Request<v3::EncodeDownlinkRequest>,
    ) -> Result<Response<v3::EncodeDownlinkResponse>, Status> {
        let ids = self.may_try(&request, request.get_ref().end_device_ids.as_ref()).await?;
        let request = request.into_inner();
        let kind = chosen(request.formatter, &request.parameter)?;
        let version = request.version_ids.as_ref().map(version_ids_from_api);
        let mut downlink = request.downlink.unwrap_or_default();
        let payload = downlink.decoded_payload.as_ref().map(object).unwrap_or_default();
        let input = Structure {
            ids: &ids,
            version: version.as_ref(),
            f_port: Some(port(downlink.f_port)?).filter(|port| *port != 0),
            payload: &payload,
            parameter: &request.parameter,
        };
        let encoded = self.0.formatters.encode_downlink(kind, &input).await.map_err(failed)?;
        downlink.f_port = encoded.f_port.map_or(downlink.f_port, u32::from);
        downlink.frm_payload = encoded.octets;
        downlink.decoded_payload_warnings = encoded.warnings;
        Ok(Response::new(v3::EncodeDownlinkResponse { downlink: Some(downlink) }))
    }

    pub(super) async fn try_decode_uplink(
        &self,
        request: Request<v3::DecodeUplinkRequest>,
    ) -> Result<Response<v3::DecodeUplinkResponse>, Status> {
        let ids = self.may_try(&request, request.get_ref().end_device_ids.as_ref()).await?;
        let request = request.into_inner();
        let kind = chosen(request.formatter, &request.parameter)?;
        let version = request.version_ids.as_ref().map(version_ids_from_api);
        let mut uplink = request.uplink.unwrap_or_default();
        let settings = uplink.settings.as_ref().and_then(|settings| settings.try_into().ok());
        let received_at = uplink.received_at.as_ref().map(convert::to_timestamp);
        let payload = Payload {
            ids: &ids,
            version: version.as_ref(),
            f_port: port(uplink.f_port)?,
            octets: &uplink.frm_payload,
            received_at: Some(received_at.unwrap_or_else(|| self.0.clock.utc())),
            settings: settings.as_ref(),
            parameter: &request.parameter,
        };
        let decoded = self.0.formatters.decode_uplink(kind, &payload).await.map_err(failed)?;
        let Decoded { payload, warnings, normalized } = decoded;
        let normalized = normalized.unwrap_or_default();
        uplink.decoded_payload = Some(structure(payload));
        uplink.decoded_payload_warnings = warnings;
        let measurements = normalized.measurements.into_iter();
        uplink.normalized_payload = measurements.map(structure).collect();
        uplink.normalized_payload_warnings = normalized.warnings;
        Ok(Response::new(v3::DecodeUplinkResponse { uplink: Some(uplink) }))
    }

    pub(super) async fn try_decode_downlink(
        &self,
        request: Request<v3::DecodeDownlinkRequest>,
    ) -> Result<Response<v3::DecodeDownlinkResponse>, Status> {
        let ids = self.may_try(&request, request.get_ref().end_device_ids.as_ref()).await?;
        let request = request.into_inner();
        let kind = chosen(request.formatter, &request.parameter)?;
        let version = request.version_ids.as_ref().map(version_ids_from_api);
        let mut downlink = request.downlink.unwrap_or_default();
        let payload = Payload {
            ids: &ids,
            version: version.as_ref(),
            f_port: port(downlink.f_port)?,
            octets: &downlink.frm_payload,
            received_at: None,
            settings: None,
            parameter: &request.parameter,
        };
        let decoded = self.0.formatters.decode_downlink(kind, &payload).await.map_err(failed)?;
        downlink.decoded_payload = Some(structure(decoded.payload));
        downlink.decoded_payload_warnings = decoded.warnings;
        Ok(Response::new(v3::DecodeDownlinkResponse { downlink: Some(downlink) }))
    }

    async fn may_try<T: Sync>(
        &self,
        request: &Request<T>,
        ids: Option<&v3::EndDeviceIdentifiers>,
    ) -> Result<DeviceIds, Status> {
        let ids = device(ids)?;
        let needs = [Right::ApplicationTrafficRead];
        self.authorize(request, &ids.key.application_id, &needs).await?;
        Ok(ids)
    }
}

fn chosen(number: i32, parameter: &str) -> Result<FormatterKind, Status> {
    check_parameter(parameter).map_err(failed)?;
    FormatterKind::from_number(number).ok_or_else(|| wrong("formatter", "no such formatter"))
}

fn port(number: u32) -> Result<u8, Status> {
    u8::try_from(number).map_err(|_| wrong("f_port", "0 to 255"))
}

fn failed(error: FormatError) -> Status {
    status(&Error::Format(error))
}
