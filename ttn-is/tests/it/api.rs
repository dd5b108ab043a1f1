//! The services as transports call them.

use prost_types::Timestamp;
use serde_json::{Value, json};
use tonic::{Code, Request, Status};
use ttn_core::auth::Right;
use ttn_is::record::{Device, Gateway};
use ttn_proto::service::{Incoming, Method};

use crate::bench::{Bench, CLUSTER_KEY};

struct Client {
    bench: Bench,
    methods: Vec<Method>,
}

impl Client {
    /// Alice has `app1` with `dev1`, and `gtw1`; Mallory has nothing.
    async fn new() -> (Self, String, String) {
        let config = ttn_is::Config {
            registration_enabled: false,
            cluster_keys: vec![CLUSTER_KEY.to_vec()],
            ..ttn_is::Config::default()
        };
        let bench = Bench::with(config).await;
        let alice = bench.user_token("alice", &[Right::All]).await;
        let mallory = bench.user_token("mallory", &[Right::All]).await;
        let caller = bench.caller(&alice).await.unwrap();
        bench.application(&caller, "alice", "app1").await;
        let gateway = Gateway {
            attributes: [("a".to_owned(), "b".to_owned())].into(),
            ..Gateway::new(&"gtw1".parse().unwrap()).with_eui("01".repeat(8).parse().unwrap())
        };
        bench.gateway(&caller, "alice", gateway).await;
        let record = ttn_is::record::Organization::new(&"org1".parse().unwrap());
        let account = crate::bench::account("alice");
        bench.server.create_organization(&caller, record, &account).await.unwrap();
        let device = Device::new(&"app1.dev1".parse().unwrap())
            .with_euis("02".repeat(8).parse().unwrap(), "03".repeat(8).parse().unwrap());
        bench.server.create_device(&caller, device).await.unwrap();
        let methods = ttn_is::api::methods(&bench.server);
        (Self { bench, methods }, alice, mallory)
    }

    async fn call(&self, rpc: &str, token: &str, body: Value) -> Result<(Value, u64), Status> {
        let path = format!("/ttn.lorawan.v3.{rpc}");
        let method = self.methods.iter().find(|method| method.rpc().path == path).unwrap();
        call(method, token, body).await
    }
}

pub(crate) async fn call(
    method: &Method,
    token: &str,
    body: Value,
) -> Result<(Value, u64), Status> {
    let mut request = Request::new(Incoming::Json(body));
    if !token.is_empty() {
        let value = match token.split_once(' ') {
            Some(_) => token.to_owned(),
            None => format!("Bearer {token}"),
        };
        request.metadata_mut().insert("authorization", value.parse().unwrap());
    }
    let now = Timestamp { seconds: 1_790_000_000, nanos: 0 };
    let response = method.unary(request, now).await?;
    let total = response.metadata().get("x-total-count");
    let total = total.map_or(0, |total| total.to_str().unwrap().parse().unwrap());
    let message = response.into_inner();
    let mut writer = ttn_proto::json::Writer::default();
    message.write_json(&mut writer);
    Ok((serde_json::from_str(&writer.finish()).unwrap(), total))
}

#[tokio::test]
async fn a_stranger_is_told_nothing_by_list_rights() {
    let (client, alice, mallory) = Client::new().await;
    let body = json!({"application_id": "app1"});
    let (none, _) =
        client.call("ApplicationAccess/ListRights", &mallory, body.clone()).await.unwrap();
    assert_eq!(none, json!({}));
    let (all, _) = client.call("ApplicationAccess/ListRights", &alice, body).await.unwrap();
    let all = all["rights"].as_array().unwrap();
    assert!(all.contains(&json!("RIGHT_APPLICATION_LINK")) && !all.contains(&json!("RIGHT_ALL")));
}

// IS-03
#[tokio::test]
async fn answers_have_ids_times_and_what_the_mask_selects() {
    let (client, alice, mallory) = Client::new().await;
    let get = |token: String, mask: &'static str| {
        let body = json!({"gateway_ids": {"gateway_id": "gtw1"}, "field_mask": mask});
        let client = &client;
        async move { client.call("GatewayRegistry/Get", &token, body).await }
    };
    let (bare, _) = get(alice.clone(), "").await.unwrap();
    let keys: Vec<_> = bare.as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["created_at", "ids", "updated_at"]);
    assert_eq!(bare["ids"]["eui"], "0101010101010101");
    let (full, _) = get(alice, "attributes").await.unwrap();
    assert_eq!(full["attributes"], json!({"a": "b"}));
    let (public, _) = get(mallory.clone(), "name,antennas").await.unwrap();
    assert_eq!(public["ids"]["gateway_id"], "gtw1");
    assert_eq!(get(mallory, "attributes").await.unwrap_err().code(), Code::PermissionDenied);
}

// IS-03, IS-08
#[tokio::test]
async fn an_update_changes_what_the_mask_selects() {
    let (client, alice, _) = Client::new().await;
    let body = json!({
        "gateway": {
            "ids": {"gateway_id": "gtw1"}, "name": "New", "description": "not selected",
            "frequency_plan_id": "EU_863_870",
        },
        "field_mask": "name,attributes,frequency_plan_id",
    });
    let (updated, _) = client.call("GatewayRegistry/Update", &alice, body).await.unwrap();
    assert_eq!(updated["name"], "New");
    let caller = client.bench.caller(&alice).await.unwrap();
    let stored =
        client.bench.server.gateway_record(&caller, &"gtw1".parse().unwrap()).await.unwrap();
    assert!(stored.attributes.is_empty() && stored.description.is_empty());
    assert_eq!(stored.frequency_plan_ids, ["EU_863_870"]);
    assert!(stored.eui().is_some());
    let secret = json!({
        "gateway": {"ids": {"gateway_id": "gtw1"}, "target_cups_key": {"value": "AAAA"}},
        "field_mask": "target_cups_key",
    });
    let refused = client.call("GatewayRegistry/Update", &alice, secret).await;
    assert_eq!(refused.unwrap_err().code(), Code::Unimplemented);
}

// IS-04
#[tokio::test]
async fn a_list_tells_the_total() {
    let (client, alice, _) = Client::new().await;
    let create = json!({
        "end_device": {"ids": {"device_id": "dev2", "application_ids": {"application_id": "app1"}}},
    });
    client.call("EndDeviceRegistry/Create", &alice, create).await.unwrap();
    let body = json!({
        "application_ids": {"application_id": "app1"}, "limit": 1, "order": "-device_id",
    });
    let (page, total) = client.call("EndDeviceRegistry/List", &alice, body).await.unwrap();
    assert_eq!((total, page["end_devices"][0]["ids"]["device_id"].as_str()), (2, Some("dev2")));
}

// IS-26, IS-29
#[tokio::test]
async fn a_key_made_over_the_api_says_who_it_is() {
    let (client, alice, _) = Client::new().await;
    let body = json!({
        "application_ids": {"application_id": "app1"}, "name": "k",
        "rights": ["RIGHT_APPLICATION_LINK"],
    });
    let (key, _) = client.call("ApplicationAccess/CreateAPIKey", &alice, body).await.unwrap();
    let token = key["key"].as_str().unwrap().to_owned();
    let (info, _) = client.call("EntityAccess/AuthInfo", &token, json!({})).await.unwrap();
    let access = &info["api_key"];
    assert_eq!(access["entity_ids"]["application_ids"]["application_id"], "app1");
    assert_eq!(access["api_key"]["rights"], json!(["RIGHT_APPLICATION_LINK"]));
    assert!(access["api_key"].get("key").is_none());
    let list = json!({"application_ids": {"application_id": "app1"}});
    let (keys, total) = client.call("ApplicationAccess/ListAPIKeys", &alice, list).await.unwrap();
    assert_eq!(total, 1);
    assert!(keys["api_keys"][0].get("key").is_none());
    let (admin, _) = {
        let token = client.bench.admin_token.clone();
        client.call("EntityAccess/AuthInfo", &token, json!({})).await.unwrap()
    };
    assert_eq!(admin["is_admin"], true);
    assert_eq!(client.call("EntityAccess/AuthInfo", "", json!({})).await.unwrap().0, json!({}));
}

// IS-30
#[tokio::test]
async fn the_cluster_key_lists_read_and_info_rights_only() {
    let (client, ..) = Client::new().await;
    let key = format!("ClusterKey {}", data_encoding::HEXLOWER.encode(&CLUSTER_KEY));
    let (info, _) = client.call("EntityAccess/AuthInfo", &key, json!({})).await.unwrap();
    let rights = info["universal_rights"]["rights"].as_array().unwrap();
    assert!(!rights.is_empty());
    for right in rights {
        let right = right.as_str().unwrap();
        assert!(right.ends_with("_READ") || right.ends_with("_INFO"), "{right}");
    }
    let seen = json!({"updates": [{
        "ids": {"device_id": "dev1", "application_ids": {"application_id": "app1"}},
        "last_seen_at": "2026-01-01T00:00:00Z",
    }]});
    client.call("EndDeviceRegistry/BatchUpdateLastSeen", &key, seen).await.unwrap();
}

// IS-10, IS-13
#[tokio::test]
async fn taken_euis_come_with_namespace_name_and_attributes() {
    let (client, _, mallory) = Client::new().await;
    let body = json!({
        "gateway": {"ids": {"gateway_id": "gtw2", "eui": "0101010101010101"}},
        "collaborator": {"user_ids": {"user_id": "mallory"}},
    });
    let refused = client.call("GatewayRegistry/Create", &mallory, body).await.unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists);
    assert!(refused.message().starts_with("error:pkg/identityserver:gateway_eui_taken ("));
    let details = ttn_proto::status::details(&refused).unwrap();
    let attributes = details.attributes.unwrap().fields;
    assert_eq!(attributes["gateway_id"], ttn_proto::status::text("gtw1"));
}

// IS-54, IS-53
#[tokio::test]
async fn notifications_and_bookmarks_name_their_entities() {
    let (client, alice, _) = Client::new().await;
    let key = json!({
        "application_ids": {"application_id": "app1"}, "name": "link",
        "rights": ["RIGHT_APPLICATION_LINK"],
    });
    client.call("ApplicationAccess/CreateAPIKey", &alice, key).await.unwrap();
    let body = json!({"receiver_ids": {"user_id": "alice"}, "status": ["UNSEEN"], "limit": 1});
    let (told, _) = client.call("NotificationService/List", &alice, body).await.unwrap();
    let told = &told["notifications"][0];
    assert_eq!(told["notification_type"], "api_key_created");
    assert_eq!(told["entity_ids"], json!({"application_ids": {"application_id": "app1"}}));
    assert_eq!(told["data"]["@type"], "type.googleapis.com/ttn.lorawan.v3.APIKey");
    assert_eq!(told["data"]["rights"], json!(["RIGHT_APPLICATION_LINK"]));
    assert!(told["data"].get("key").is_none());
    let device = json!({"device_ids": {
        "device_id": "dev1", "application_ids": {"application_id": "app1"},
    }});
    let body = json!({"user_ids": {"user_id": "alice"}, "entity_ids": device});
    client.call("UserBookmarkRegistry/Create", &alice, body.clone()).await.unwrap();
    let list = json!({"user_ids": {"user_id": "alice"}, "entity_types": ["end device"]});
    let (page, total) = client.call("UserBookmarkRegistry/List", &alice, list).await.unwrap();
    assert_eq!((total, &page["bookmarks"][0]["entity_ids"]), (1, &device));
    client.call("UserBookmarkRegistry/Delete", &alice, body).await.unwrap();
}
