//! Who may call what. An RPC that is served and has no row fails the test: nothing is open by omission.

use serde_json::{Value, json};
use ttn::core::auth::Right::{self, *};

/// The kind of entity that a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    App,
    Cli,
    Gtw,
    Org,
    Usr,
}

/// Who may call.
#[derive(Clone, Copy, Debug)]
pub(super) enum Who {
    /// Administrators.
    Admin,
    /// Other servers of the cluster.
    Cluster,
    /// Everybody with credentials: the answer is his own, public or nothing.
    Known,
    /// As `On`; others are told that there is nothing.
    Hidden(Kind, &'static [Right]),
    /// Whoever has all these rights on the entity.
    On(Kind, &'static [Right]),
    /// As `On`, and other servers of the cluster.
    OnOrCluster(Kind, &'static [Right]),
    /// Whoever has any right on the entity.
    Any(Kind),
    /// Users, each for himself, whose key has the right.
    Himself(Right),
    /// Everybody, also without credentials.
    Open,
}

use Kind::{App, Cli, Gtw, Org, Usr};
use Who::{Admin, Any, Cluster, Hidden, Himself, Known, On, OnOrCluster, Open};

const APP_READ: Who = On(App, &[ApplicationDevicesRead]);
const APP_WRITE: Who = On(App, &[ApplicationDevicesWrite]);
const APP_BASIC: Who = On(App, &[ApplicationSettingsBasic]);
const APP_KEYS: Who = On(App, &[ApplicationSettingsApiKeys]);
const APP_MEMBERS: Who = On(App, &[ApplicationSettingsCollaborators]);
const APP_PACKAGES: Who = On(App, &[ApplicationSettingsPackages]);
const APP_TRAFFIC: Who = On(App, &[ApplicationTrafficRead]);
const APP_DOWN: Who = On(App, &[ApplicationTrafficDownWrite]);
const WEBHOOK: Who = On(App, &[ApplicationSettingsBasic, ApplicationTrafficRead]);
const PUBSUB: Who =
    On(App, &[ApplicationSettingsBasic, ApplicationTrafficRead, ApplicationTrafficDownWrite]);
const GTW_KEYS: Who = On(Gtw, &[GatewaySettingsApiKeys]);
const GTW_MEMBERS: Who = On(Gtw, &[GatewaySettingsCollaborators]);
const CLI_MEMBERS: Who = On(Cli, &[ClientSettingsCollaborators]);
const ORG_KEYS: Who = On(Org, &[OrganizationSettingsApiKeys]);
const ORG_MEMBERS: Who = On(Org, &[OrganizationSettingsMembers]);
const USR_CLIENTS: Who = On(Usr, &[UserAuthorizedClients]);
const USR_KEYS: Who = On(Usr, &[UserSettingsApiKeys]);

/// Every RPC that the stack serves, in the order in which they are called: what ends an entity comes last.
pub(super) const RULES: &[(&str, Who)] = &[
    ("AppAs.DecodeDownlink", APP_TRAFFIC),
    ("AppAs.DecodeUplink", APP_TRAFFIC),
    ("AppAs.DownlinkQueueList", APP_TRAFFIC),
    ("AppAs.DownlinkQueuePush", APP_DOWN),
    ("AppAs.DownlinkQueueReplace", APP_DOWN),
    ("AppAs.EncodeDownlink", APP_TRAFFIC),
    ("AppAs.GetMQTTConnectionInfo", On(App, &[ApplicationInfo])),
    ("AppAs.SimulateUplink", On(App, &[ApplicationTrafficUpWrite])),
    ("AppAs.Subscribe", APP_TRAFFIC),
    // The session says whose rights count. There is none here: everybody with credentials is told so.
    ("AppJs.GetAppSKey", Known),
    ("ApplicationAccess.CreateAPIKey", APP_KEYS),
    ("ApplicationAccess.DeleteAPIKey", APP_KEYS),
    ("ApplicationAccess.DeleteCollaborator", APP_MEMBERS),
    ("ApplicationAccess.GetAPIKey", APP_KEYS),
    ("ApplicationAccess.GetCollaborator", APP_MEMBERS),
    ("ApplicationAccess.ListAPIKeys", APP_KEYS),
    ("ApplicationAccess.ListCollaborators", APP_MEMBERS),
    ("ApplicationAccess.ListRights", Known),
    ("ApplicationAccess.SetCollaborator", APP_MEMBERS),
    ("ApplicationAccess.UpdateAPIKey", APP_KEYS),
    (
        "ApplicationActivationSettingRegistry.Delete",
        On(App, &[ApplicationDevicesReadKeys, ApplicationDevicesWriteKeys]),
    ),
    ("ApplicationActivationSettingRegistry.Get", On(App, &[ApplicationDevicesReadKeys])),
    (
        "ApplicationActivationSettingRegistry.Set",
        On(App, &[ApplicationDevicesReadKeys, ApplicationDevicesWriteKeys]),
    ),
    ("ApplicationPackageRegistry.DeleteAssociation", APP_PACKAGES),
    ("ApplicationPackageRegistry.DeleteDefaultAssociation", APP_PACKAGES),
    ("ApplicationPackageRegistry.GetAssociation", APP_PACKAGES),
    ("ApplicationPackageRegistry.GetDefaultAssociation", APP_PACKAGES),
    ("ApplicationPackageRegistry.List", APP_READ),
    ("ApplicationPackageRegistry.ListAssociations", APP_PACKAGES),
    ("ApplicationPackageRegistry.ListDefaultAssociations", APP_PACKAGES),
    ("ApplicationPackageRegistry.SetAssociation", APP_PACKAGES),
    ("ApplicationPackageRegistry.SetDefaultAssociation", APP_PACKAGES),
    ("ApplicationPubSubRegistry.Delete", PUBSUB),
    ("ApplicationPubSubRegistry.Get", APP_BASIC),
    ("ApplicationPubSubRegistry.GetFormats", Open),
    ("ApplicationPubSubRegistry.List", APP_BASIC),
    ("ApplicationPubSubRegistry.Set", PUBSUB),
    ("ApplicationRegistry.Create", On(Usr, &[UserApplicationsCreate])),
    ("ApplicationRegistry.Get", On(App, &[ApplicationInfo])),
    ("ApplicationRegistry.IssueDevEUI", APP_WRITE),
    ("ApplicationRegistry.List", On(Usr, &[UserApplicationsList])),
    ("ApplicationRegistry.Update", APP_BASIC),
    ("ApplicationUpStorage.GetStoredApplicationUp", APP_TRAFFIC),
    ("ApplicationUpStorage.GetStoredApplicationUpCount", APP_TRAFFIC),
    ("ApplicationWebhookRegistry.Delete", WEBHOOK),
    ("ApplicationWebhookRegistry.Get", WEBHOOK),
    ("ApplicationWebhookRegistry.GetFormats", Open),
    ("ApplicationWebhookRegistry.GetTemplate", Open),
    ("ApplicationWebhookRegistry.List", WEBHOOK),
    ("ApplicationWebhookRegistry.ListTemplates", Open),
    ("ApplicationWebhookRegistry.Set", WEBHOOK),
    ("As.DeleteLink", APP_BASIC),
    ("As.GetConfiguration", Open),
    ("As.GetLink", APP_BASIC),
    ("As.GetLinkStats", On(App, &[ApplicationLink])),
    ("As.SetLink", APP_BASIC),
    ("AsEndDeviceRegistry.Get", APP_READ),
    ("AsEndDeviceRegistry.Set", APP_WRITE),
    ("AsJs.GetAppSKey", Cluster),
    ("AsNs.DownlinkQueueList", Cluster),
    ("AsNs.DownlinkQueuePush", Cluster),
    ("AsNs.DownlinkQueueReplace", Cluster),
    ("Audit.List", Admin),
    ("ClientAccess.DeleteCollaborator", CLI_MEMBERS),
    ("ClientAccess.GetCollaborator", CLI_MEMBERS),
    ("ClientAccess.ListCollaborators", CLI_MEMBERS),
    ("ClientAccess.ListRights", Known),
    ("ClientAccess.SetCollaborator", CLI_MEMBERS),
    ("ClientRegistry.Create", On(Usr, &[UserClientsCreate])),
    ("ClientRegistry.Get", On(Cli, &[ClientInfo])),
    ("ClientRegistry.List", On(Usr, &[UserClientsList])),
    ("ClientRegistry.Update", On(Cli, &[ClientSettingsBasic])),
    ("Configuration.GetPhyVersions", Open),
    ("Configuration.ListBands", Open),
    ("Configuration.ListFrequencyPlans", Open),
    ("Devices.Create", APP_WRITE),
    ("Devices.Get", APP_READ),
    ("Devices.Set", On(App, &[ApplicationDevicesRead, ApplicationDevicesWrite])),
    ("EndDeviceBatchRegistry.Get", APP_READ),
    ("EndDeviceRegistry.BatchUpdateLastSeen", OnOrCluster(App, &[ApplicationDevicesWrite])),
    ("EndDeviceRegistry.Create", APP_WRITE),
    ("EndDeviceRegistry.Get", APP_READ),
    ("EndDeviceRegistry.GetIdentifiersForEUIs", Hidden(App, &[ApplicationDevicesRead])),
    ("EndDeviceRegistry.List", APP_READ),
    ("EndDeviceRegistry.Update", APP_WRITE),
    ("EntityAccess.AuthInfo", Open),
    ("Events.FindRelated", Known),
    ("Events.Stream", Any(App)),
    ("GatewayAccess.CreateAPIKey", GTW_KEYS),
    ("GatewayAccess.DeleteAPIKey", GTW_KEYS),
    ("GatewayAccess.DeleteCollaborator", GTW_MEMBERS),
    ("GatewayAccess.GetAPIKey", GTW_KEYS),
    ("GatewayAccess.GetCollaborator", GTW_MEMBERS),
    ("GatewayAccess.ListAPIKeys", GTW_KEYS),
    ("GatewayAccess.ListCollaborators", GTW_MEMBERS),
    ("GatewayAccess.ListRights", Known),
    ("GatewayAccess.SetCollaborator", GTW_MEMBERS),
    ("GatewayAccess.UpdateAPIKey", GTW_KEYS),
    ("GatewayBatchAccess.AssertRights", On(Gtw, &[GatewayInfo])),
    ("GatewayRegistry.Create", On(Usr, &[UserGatewaysCreate])),
    ("GatewayRegistry.Get", On(Gtw, &[GatewayInfo])),
    ("GatewayRegistry.GetIdentifiersForEUI", Known),
    ("GatewayRegistry.List", On(Usr, &[UserGatewaysList])),
    ("GatewayRegistry.Update", On(Gtw, &[GatewaySettingsBasic])),
    ("Gs.BatchGetGatewayConnectionStats", On(Gtw, &[GatewayStatusRead])),
    ("Gs.GetGatewayConnectionStats", On(Gtw, &[GatewayStatusRead])),
    ("Is.GetConfiguration", Open),
    ("Js.GetDefaultJoinEUI", Open),
    ("Js.GetJoinEUIPrefixes", Open),
    ("JsEndDeviceRegistry.Get", APP_READ),
    ("JsEndDeviceRegistry.Set", APP_WRITE),
    ("Ns.GenerateDevAddr", Open),
    ("Ns.GetDefaultMACSettings", Open),
    ("Ns.GetDeviceAddressPrefixes", Open),
    ("Ns.GetNetID", Open),
    ("NsEndDeviceRegistry.Get", APP_READ),
    ("NsEndDeviceRegistry.ResetFactoryDefaults", APP_WRITE),
    ("NsEndDeviceRegistry.Set", APP_WRITE),
    ("NsJs.GetNwkSKeys", Cluster),
    ("NsJs.HandleJoin", Cluster),
    ("OAuthAuthorizationRegistry.Delete", USR_CLIENTS),
    ("OAuthAuthorizationRegistry.DeleteToken", USR_CLIENTS),
    ("OAuthAuthorizationRegistry.List", USR_CLIENTS),
    ("OAuthAuthorizationRegistry.ListTokens", USR_CLIENTS),
    ("OrganizationAccess.CreateAPIKey", ORG_KEYS),
    ("OrganizationAccess.DeleteAPIKey", ORG_KEYS),
    ("OrganizationAccess.DeleteCollaborator", ORG_MEMBERS),
    ("OrganizationAccess.GetAPIKey", ORG_KEYS),
    ("OrganizationAccess.GetCollaborator", ORG_MEMBERS),
    ("OrganizationAccess.ListAPIKeys", ORG_KEYS),
    ("OrganizationAccess.ListCollaborators", ORG_MEMBERS),
    ("OrganizationAccess.ListRights", Known),
    ("OrganizationAccess.SetCollaborator", ORG_MEMBERS),
    ("OrganizationAccess.UpdateAPIKey", ORG_KEYS),
    ("OrganizationRegistry.Create", On(Usr, &[UserOrganizationsCreate])),
    ("OrganizationRegistry.Get", On(Org, &[OrganizationInfo])),
    ("OrganizationRegistry.List", On(Usr, &[UserOrganizationsList])),
    ("OrganizationRegistry.Update", On(Org, &[OrganizationSettingsBasic])),
    ("ContactInfoRegistry.RequestValidation", On(Usr, &[UserSettingsBasic])),
    ("ContactInfoRegistry.Validate", Open),
    ("EmailValidationRegistry.RequestValidation", On(Usr, &[UserSettingsBasic])),
    ("EmailValidationRegistry.Validate", Open),
    ("UserInvitationRegistry.Delete", Admin),
    ("UserInvitationRegistry.List", Admin),
    ("UserInvitationRegistry.Send", Admin),
    ("UserSessionRegistry.Delete", On(Usr, &[UserAll])),
    ("UserSessionRegistry.List", On(Usr, &[UserAll])),
    ("UserAccess.CreateAPIKey", USR_KEYS),
    ("UserAccess.DeleteAPIKey", USR_KEYS),
    ("UserAccess.GetAPIKey", USR_KEYS),
    ("UserAccess.ListAPIKeys", USR_KEYS),
    ("UserAccess.ListRights", Known),
    ("UserAccess.UpdateAPIKey", USR_KEYS),
    ("UserRegistry.Create", Open),
    ("UserRegistry.CreateTemporaryPassword", Open),
    ("UserRegistry.Get", On(Usr, &[UserInfo])),
    ("UserRegistry.List", Admin),
    ("UserRegistry.Update", On(Usr, &[UserSettingsBasic])),
    ("UserRegistry.UpdatePassword", On(Usr, &[UserSettingsBasic])),
    ("EndDeviceRegistrySearch.SearchEndDevices", APP_READ),
    ("EntityRegistrySearch.SearchAccounts", Known),
    ("EntityRegistrySearch.SearchApplications", Himself(UserApplicationsList)),
    ("EntityRegistrySearch.SearchClients", Himself(UserClientsList)),
    ("EntityRegistrySearch.SearchGateways", Himself(UserGatewaysList)),
    ("EntityRegistrySearch.SearchOrganizations", Himself(UserOrganizationsList)),
    ("EntityRegistrySearch.SearchUsers", Admin),
    ("NotificationService.Create", Cluster),
    ("NotificationService.List", On(Usr, &[UserNotificationsRead])),
    ("NotificationService.UpdateStatus", On(Usr, &[UserNotificationsRead])),
    ("UserAccess.CreateLoginToken", Open),
    ("UserBookmarkRegistry.BatchDelete", On(Usr, &[UserSettingsBasic])),
    ("UserBookmarkRegistry.Create", On(Usr, &[UserSettingsBasic])),
    ("UserBookmarkRegistry.Delete", On(Usr, &[UserSettingsBasic])),
    ("UserBookmarkRegistry.List", On(Usr, &[UserInfo])),
    // These end devices and entities.
    ("AsEndDeviceBatchRegistry.Delete", APP_WRITE),
    ("AsEndDeviceRegistry.Delete", APP_WRITE),
    ("JsEndDeviceRegistry.Delete", APP_WRITE),
    ("NsEndDeviceRegistry.Delete", APP_WRITE),
    ("Devices.Delete", APP_WRITE),
    ("EndDeviceBatchRegistry.Delete", APP_WRITE),
    ("EndDeviceRegistry.Delete", APP_WRITE),
    ("GatewayBatchRegistry.Delete", On(Gtw, &[GatewayDelete])),
    ("ApplicationRegistry.Delete", On(App, &[ApplicationDelete])),
    ("ApplicationRegistry.Restore", On(App, &[ApplicationDelete])),
    ("ClientRegistry.Delete", On(Cli, &[ClientDelete])),
    ("ClientRegistry.Restore", On(Cli, &[ClientDelete])),
    ("GatewayRegistry.Delete", On(Gtw, &[GatewayDelete])),
    ("GatewayRegistry.Restore", On(Gtw, &[GatewayDelete])),
    ("OrganizationRegistry.Delete", On(Org, &[OrganizationDelete])),
    ("OrganizationRegistry.Restore", On(Org, &[OrganizationDelete])),
    ("UserRegistry.Delete", On(Usr, &[UserDelete])),
    ("UserRegistry.Restore", On(Usr, &[UserDelete])),
    ("ApplicationRegistry.Purge", Admin),
    ("ClientRegistry.Purge", Admin),
    ("GatewayRegistry.Purge", Admin),
    ("OrganizationRegistry.Purge", Admin),
    ("UserRegistry.Purge", Admin),
];

/// RPCs of served services that nobody has built: they answer so to everybody.
pub(super) const NOT_BUILT: &[&str] = &["JsEndDeviceRegistry.Provision"];

/// A body that fits every request: what a message does not know, it ignores.
pub(super) fn body(service: &str, rpc: &str) -> Value {
    let app = json!({ "application_id": "app1" });
    let gateway = json!({ "gateway_id": "gtw1", "eui": "0101010101010101" });
    let device = json!({
        "device_id": "dev1", "application_ids": app,
        "dev_eui": "0303030303030303", "join_eui": "0202020202020202",
    });
    let user = json!({ "user_id": "alice" });
    let nobody = json!({ "user_ids": { "user_id": "mallory" } });
    let plan = json!({
        "ids": device, "frequency_plan_id": "EU_863_870_TTN", "lorawan_version": "MAC_V1_0_3",
        "lorawan_phy_version": "PHY_V1_0_3_REV_A", "supports_join": true,
    });
    let mut body = json!({
        "application_id": "app1", "client_id": "client1", "gateway_id": "gtw1",
        "organization_id": "org1", "user_id": "alice", "device_id": "dev1",
        "eui": "0101010101010101", "dev_eui": "0303030303030303", "join_eui": "0202020202020202",
        "application_ids": app, "client_ids": { "client_id": "client1" }, "gateway_ids": gateway,
        "organization_ids": { "organization_id": "org1" }, "user_ids": user, "device_ids": ["dev1"],
        "end_device_ids": device, "end_device": plan, "ids": device,
        "application": { "ids": app }, "client": { "ids": { "client_id": "client1" } },
        "gateway": { "ids": gateway }, "organization": { "ids": { "organization_id": "org1" } },
        "user": { "ids": user, "password": "Correct-horse-1", "primary_email_address": "x@example.com" },
    });
    let lora = json!({ "bandwidth": 125_000, "spreading_factor": 7, "coding_rate": "4/5" });
    let settings = json!({ "data_rate": { "lora": lora }, "frequency": "868100000" });
    let more = json!({
        "collaborator": { "user_ids": user }, "collaborator_ids": nobody,
        "api_key": { "id": "ID", "name": "n" }, "key_id": "ID", "name": "name",
        "required": { "rights": ["RIGHT_GATEWAY_INFO"] },
        "updates": [{ "ids": device, "last_seen_at": "2026-01-01T00:00:00Z" }],
        "email": "x@example.com", "id": "x.y", "token": "AAAA", "session_id": "ID",
        "old": "Correct-horse-1", "new": "weak",
        "identifiers": [{ "application_ids": app }], "correlation_id": "x",
        "session_key_id": "AAAA", "f_port": 1, "package_name": "package",
        "application_activation_settings": { "kek_label": "label" }, "settings": { "kek_label": "label" },
        "link": { "skip_payload_crypto": false }, "downlinks": [],
        "formatter": "FORMATTER_CAYENNELPP", "uplink": { "f_port": 1, "settings": settings }, "downlink": { "f_port": 1 },
        "end_device_version_ids": {}, "version_ids": {},
        "uplink_message": { "f_port": 1, "frm_payload": "AA==", "settings": settings },
        "raw_payload": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "net_id": "000000", "dev_addr": "00000000",
        "selected_mac_version": "MAC_V1_0_3", "downlink_settings": {}, "rx_delay": "RX_DELAY_1",
    });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    if let Some(fields) = mask(service, rpc) {
        body["field_mask"] = json!(fields);
    }
    patch(&mut body, service, rpc);
    body
}

/// The field mask of an RPC that needs one.
fn mask(service: &str, rpc: &str) -> Option<&'static str> {
    Some(match (service, rpc) {
        (_, "UpdateAPIKey") => "name",
        (
            "ApplicationRegistry"
            | "ClientRegistry"
            | "GatewayRegistry"
            | "OrganizationRegistry"
            | "UserRegistry",
            "Get" | "List" | "Update",
        ) => "attributes",
        ("EndDeviceRegistry", "Update") => "name",
        ("NsEndDeviceRegistry", "Set") => {
            "frequency_plan_id,lorawan_version,lorawan_phy_version,supports_join"
        }
        ("AsEndDeviceRegistry", "Set") => "formatters",
        ("JsEndDeviceRegistry", "Set") => "network_server_address",
        ("As", "SetLink") => "default_formatters",
        _ => return None,
    })
}

fn patch(body: &mut Value, service: &str, rpc: &str) {
    let app = json!({ "application_id": "app1" });
    match (service, rpc) {
        ("ContactInfoRegistry", "RequestValidation") => {
            *body = json!({ "user_ids": { "user_id": "alice" } });
        }
        ("EntityRegistrySearch", "SearchAccounts") => *body = json!({ "query": "al" }),
        ("NotificationService", _) => {
            *body = json!({
                "receiver_ids": { "user_id": "alice" }, "entity_ids": { "application_ids": app },
                "notification_type": "news", "receivers": ["COLLABORATOR"],
            });
            if rpc == "UpdateStatus" {
                body["ids"] = json!(["00000000-0000-7000-8000-000000000000"]);
                body["status"] = json!("SEEN");
            }
        }
        ("UserBookmarkRegistry", "BatchDelete") => {
            body["entity_ids"] = json!([{ "application_ids": app }]);
        }
        ("UserBookmarkRegistry", _) => body["entity_ids"] = json!({ "application_ids": app }),
        (_, "SetCollaborator") => {
            body["collaborator"] =
                json!({ "ids": { "user_ids": { "user_id": "mallory" } }, "rights": [] });
        }
        (_, "GetCollaborator") => {
            body["collaborator"] = json!({ "user_ids": { "user_id": "mallory" } });
        }
        ("ApplicationAccess", "CreateAPIKey") => {
            body["rights"] = json!(["RIGHT_APPLICATION_SETTINGS_API_KEYS"])
        }
        ("GatewayAccess", "CreateAPIKey") => {
            body["rights"] = json!(["RIGHT_GATEWAY_SETTINGS_API_KEYS"])
        }
        ("OrganizationAccess", "CreateAPIKey") => {
            body["rights"] = json!(["RIGHT_ORGANIZATION_SETTINGS_API_KEYS"])
        }
        ("UserAccess", "CreateAPIKey") => body["rights"] = json!(["RIGHT_USER_SETTINGS_API_KEYS"]),
        ("GatewayBatchAccess" | "GatewayBatchRegistry", _)
        | ("Gs", "BatchGetGatewayConnectionStats") => {
            body["gateway_ids"] = json!([{ "gateway_id": "gtw1" }]);
        }
        ("ApplicationWebhookRegistry", _) => {
            let ids = json!({ "application_ids": app, "webhook_id": "hook1" });
            body["webhook"] =
                json!({ "ids": ids, "base_url": "https://example.com", "format": "json" });
            body["webhook_id"] = json!("hook1");
            body["ids"] =
                if rpc == "GetTemplate" { json!({ "template_id": "template1" }) } else { ids };
        }
        ("ApplicationPubSubRegistry", _) => {
            let ids = json!({ "application_ids": app, "pub_sub_id": "pubsub1" });
            let nats = json!({ "server_url": "nats://example.com" });
            body["pubsub"] = json!({ "ids": ids, "format": "json", "nats": nats });
            body["pub_sub_id"] = json!("pubsub1");
            body["ids"] = ids;
        }
        ("ApplicationPackageRegistry", rpc) if rpc.contains("Default") => {
            let ids = json!({ "application_ids": app, "f_port": 1 });
            body["default"] = json!({ "ids": ids, "package_name": "package" });
            body["ids"] = if rpc.starts_with("List") { app } else { ids };
        }
        ("ApplicationPackageRegistry", rpc) => {
            let device = body["end_device_ids"].clone();
            let ids = json!({ "end_device_ids": device, "f_port": 1 });
            body["association"] = json!({ "ids": ids, "package_name": "package" });
            body["ids"] = if rpc == "ListAssociations" { device } else { ids };
        }
        _ => {}
    }
}
