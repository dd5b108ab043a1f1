//! Records to and from the messages of the API.
//!
//! Fields that both have bear the same number and type (see [`crate::record`]), so that one is read from the octets of
//! the other. What the other does not know is left out: hashes never reach the API, passwords never reach a record.

use prost::{DecodeError, Message};
use ttn_proto::v3;

use crate::record::{
    ApiKey, Application, Authorization, Bookmark, Client, Device, EmailValidation, Gateway, Grant,
    Invitation, Notification, Organization, Session, User,
};

/// A record that has a message in the API.
pub trait Convert: Message + Default {
    /// The message.
    type Api: Message + Default;

    /// The message of a record.
    ///
    /// # Errors
    ///
    /// The record and the message disagree on a field.
    fn to_api(&self) -> Result<Self::Api, DecodeError> {
        Self::Api::decode(self.encode_to_vec().as_slice())
    }

    /// The record of a message. Fields that records do not have are left out.
    ///
    /// # Errors
    ///
    /// The record and the message disagree on a field.
    fn of_api(message: &Self::Api) -> Result<Self, DecodeError> {
        Self::decode(message.encode_to_vec().as_slice())
    }
}

macro_rules! convert {
    ($($record:ident = $api:ident),*) => {
        $(impl Convert for $record {
            type Api = v3::$api;
        })*
    };
}

convert!(
    ApiKey = ApiKey,
    Application = Application,
    Authorization = OAuthClientAuthorization,
    Bookmark = UserBookmark,
    Client = Client,
    Device = EndDevice,
    Gateway = Gateway,
    EmailValidation = EmailValidation,
    Grant = OAuthAccessToken,
    Invitation = Invitation,
    Notification = Notification,
    Organization = Organization,
    Session = UserSession,
    User = User
);

impl Convert for crate::record::AccountIds {
    type Api = v3::OrganizationOrUserIdentifiers;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a message of the API from JSON, takes it through a record, and expects it to be the same.
    fn comes_back<R: Convert>(json: &str)
    where
        R::Api: ttn_proto::ApiMessage,
    {
        let message: R::Api = ttn_proto::json::from_slice(json.as_bytes()).unwrap();
        let record = R::of_api(&message).unwrap();
        assert_eq!(ttn_proto::json::to_string(&record.to_api().unwrap()), json);
    }

    const TIMES: &str =
        r#""created_at":"2026-01-02T03:04:05Z","updated_at":"2026-01-02T03:04:05.678Z""#;

    #[test]
    fn applications_come_back() {
        comes_back::<Application>(&format!(
            r#"{{"ids":{{"application_id":"app"}},{TIMES},"name":"n","description":"d","attributes":{{"a":"b"}},"administrative_contact":{{"user_ids":{{"user_id":"me"}}}},"technical_contact":{{"organization_ids":{{"organization_id":"org"}}}},"network_server_address":"ns","application_server_address":"as","join_server_address":"js"}}"#
        ));
    }

    #[test]
    fn clients_come_back_without_a_secret() {
        comes_back::<Client>(&format!(
            r#"{{"ids":{{"client_id":"cli"}},{TIMES},"name":"n","attributes":{{"a":"b"}},"technical_contact":{{"user_ids":{{"user_id":"me"}}}},"redirect_uris":["https://example.com/back"],"logout_redirect_uris":["https://example.com"],"state":"STATE_APPROVED","state_description":"d","skip_authorization":true,"endorsed":true,"grants":["GRANT_AUTHORIZATION_CODE","GRANT_REFRESH_TOKEN"],"rights":["RIGHT_USER_INFO","RIGHT_ALL"]}}"#
        ));
        let message = v3::Client { secret: "secret".to_owned(), ..v3::Client::default() };
        assert!(Client::of_api(&message).unwrap().encode_to_vec().is_empty());
    }

    #[test]
    fn gateways_come_back() {
        comes_back::<Gateway>(&format!(
            r#"{{"ids":{{"gateway_id":"gtw","eui":"0102030405060708"}},{TIMES},"name":"n","attributes":{{"a":"b"}},"version_ids":{{"brand_id":"b","model_id":"m","hardware_version":"1","firmware_version":"2","runtime_version":"3"}},"gateway_server_address":"gs","auto_update":true,"update_channel":"stable","frequency_plan_ids":["EU_863_870"],"antennas":[{{"gain":3,"location":{{"latitude":52.5,"longitude":4.75,"altitude":3,"accuracy":1,"source":"SOURCE_REGISTRY"}},"placement":"OUTDOOR"}}],"status_public":true,"location_public":true,"schedule_downlink_late":true,"enforce_duty_cycle":true,"downlink_path_constraint":"DOWNLINK_PATH_CONSTRAINT_NEVER","schedule_anytime_delay":"0.530s","update_location_from_status":true,"require_authenticated_connection":true,"lrfhss":{{"supported":true}}}}"#
        ));
    }

    #[test]
    fn devices_come_back() {
        comes_back::<Device>(&format!(
            r#"{{"ids":{{"device_id":"dev","application_ids":{{"application_id":"app"}},"dev_eui":"0102030405060708","join_eui":"1112131415161718"}},{TIMES},"name":"n","version_ids":{{"brand_id":"b","model_id":"m","hardware_version":"1","firmware_version":"2","band_id":"EU_863_870"}},"network_server_address":"ns","application_server_address":"as","join_server_address":"js","locations":{{"user":{{"latitude":1.5}}}},"activated_at":"2026-01-02T03:04:05Z","last_seen_at":"2026-01-02T03:04:05Z","serial_number":"s","lora_alliance_profile_ids":{{"vendor_id":1,"vendor_profile_id":2}}}}"#
        ));
    }

    #[test]
    fn hashes_do_not_reach_the_api_nor_passwords_the_record() {
        let user = User {
            password_hash: "PBKDF2$".to_owned(),
            admin: true,
            ..User::new(&"me".parse().unwrap(), "me@example.com")
        };
        let mut message = user.to_api().unwrap();
        assert!(message.admin && message.password.is_empty());
        message.password = "secret".to_owned();
        let record = User::of_api(&message).unwrap();
        assert!(!record.encode_to_vec().windows(6).any(|octets| octets == b"secret"));
        let key = ApiKey { id: "ID".to_owned(), hash: "PBKDF2$".to_owned(), ..ApiKey::default() };
        assert!(key.to_api().unwrap().key.is_empty());
    }
}
