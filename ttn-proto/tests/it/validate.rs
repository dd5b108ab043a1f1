//! Validation rules.

use prost_types::Timestamp;
use ttn_proto::v3;
use ttn_proto::validate::{validate, validate_paths};

const NOW: Timestamp = Timestamp { seconds: 1_700_000_000, nanos: 0 };

fn application(id: &str) -> v3::Application {
    let ids = v3::ApplicationIdentifiers { application_id: id.into() };
    v3::Application { ids: Some(ids), ..Default::default() }
}

#[test]
fn identifiers_are_lower_case_with_single_dashes() {
    for id in ["abc", "a-b", "a1-2b", "0123456789-0123456789-0123456789-abc"] {
        let result = validate(&application(id), NOW);
        assert_eq!(result.is_ok(), id != "a-b", "{id}: two characters do not suffice");
    }
    for id in
        ["", "ab", "-abc", "abc-", "a--bc", "Abc", "a_bc", "abcdefghijklmnopqrstuvwxyz0123456789x"]
    {
        let violation = validate(&application(id), NOW).unwrap_err();
        assert_eq!(violation.field, "ids.application_id", "{id}");
    }
}

#[test]
fn required_fields_and_oneofs_must_be_set() {
    let violation = validate(&v3::Application::default(), NOW).unwrap_err();
    assert_eq!((violation.message, violation.field.as_str()), ("Application", "ids"));
    let violation = validate(&v3::EntityIdentifiers::default(), NOW).unwrap_err();
    assert_eq!(violation.field, "ids");
}

#[test]
fn only_the_paths_are_checked_if_there_are_some() {
    let broken = v3::UpdateApplicationRequest {
        application: Some(v3::Application { name: "x".repeat(51), ..application("abc") }),
        ..Default::default()
    };
    assert_eq!(validate(&broken, NOW).unwrap_err().field, "application.name");
    validate_paths(&broken, NOW, &["application.description".into()]).unwrap();
    validate_paths(&broken, NOW, &["application".into()]).unwrap_err();
}

#[test]
fn text_is_counted_in_characters() {
    let named = |name: String| v3::Application { name, ..application("abc") };
    validate(&named("é".repeat(50)), NOW).unwrap();
    validate(&named("é".repeat(51)), NOW).unwrap_err();
}

#[test]
fn bytes_have_their_length_unless_empty() {
    let ids = |eui: &[u8]| v3::GatewayIdentifiers { gateway_id: "abc".into(), eui: eui.into() };
    validate(&ids(&[]), NOW).unwrap();
    validate(&ids(&[0; 8]), NOW).unwrap();
    assert_eq!(validate(&ids(&[0; 7]), NOW).unwrap_err().field, "eui");
}

#[test]
fn times_are_compared_with_now() {
    let request = |seconds| v3::CreateApplicationApiKeyRequest {
        application_ids: application("abc").ids,
        rights: vec![v3::Right::ApplicationInfo.into()],
        expires_at: Some(Timestamp { seconds, nanos: 0 }),
        ..Default::default()
    };
    validate(&request(NOW.seconds + 1), NOW).unwrap();
    assert_eq!(validate(&request(NOW.seconds), NOW).unwrap_err().field, "expires_at");
}

#[test]
fn lists_are_counted_and_compared() {
    let request = |rights: Vec<i32>| v3::CreateApplicationApiKeyRequest {
        application_ids: application("abc").ids,
        rights,
        ..Default::default()
    };
    validate(&request(vec![1, 2]), NOW).unwrap();
    for rights in [vec![], vec![1, 1], vec![9999]] {
        assert_eq!(validate(&request(rights), NOW).unwrap_err().field, "rights");
    }
}

#[test]
fn orders_and_limits_are_bounded() {
    let list = |limit, order: &str| v3::ListApplicationsRequest {
        limit,
        order: order.into(),
        ..Default::default()
    };
    validate(&list(1000, "-created_at"), NOW).unwrap();
    assert_eq!(validate(&list(1001, ""), NOW).unwrap_err().field, "limit");
    assert_eq!(validate(&list(0, "password"), NOW).unwrap_err().field, "order");
}

#[test]
fn patterns_compile() {
    let url = |base_url: &str| v3::ApplicationWebhook {
        base_url: base_url.into(),
        ids: Some(v3::ApplicationWebhookIdentifiers {
            application_ids: application("abc").ids,
            webhook_id: "hook".into(),
        }),
        format: "json".into(),
        ..Default::default()
    };
    validate(&url("https://example.com/x?a={b}"), NOW).unwrap();
    validate(&url("no uri"), NOW).unwrap_err();
    let server = |address: &str| v3::Application {
        network_server_address: address.into(),
        ..application("abc")
    };
    for address in ["", "localhost", "eu1.example.com:8884"] {
        validate(&server(address), NOW).unwrap();
    }
    for address in ["a b", "https://x", "x:123456"] {
        validate(&server(address), NOW).unwrap_err();
    }
}
