//! Pictures of users and end devices (IS-18).

use data_encoding::BASE64;
use image::{DynamicImage, ImageFormat};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use ttn_core::auth::Right;
use ttn_is::store::{IdentityStore as _, Scan, Table};

use crate::{api::call, bench::Bench};

struct Album {
    bench: Bench,
    alice: String,
}

impl Album {
    async fn new(config: ttn_is::Config) -> Self {
        let bench = Bench::with(config).await;
        let alice = bench.user_token("alice", &[Right::All]).await;
        let caller = bench.caller(&alice).await.unwrap();
        bench.application(&caller, "alice", "app1").await;
        Self { bench, alice }
    }

    async fn call(&self, rpc: &str, body: Value) -> Result<Value, tonic::Status> {
        let methods = ttn_is::api::methods(&self.bench.server);
        let path = format!("/ttn.lorawan.v3.{rpc}");
        let method = methods.iter().find(|method| method.rpc().path == path).unwrap();
        call(method, &self.alice, body).await.map(|(answer, _)| answer)
    }

    async fn set_face(&self, picture: Value) -> Result<Value, tonic::Status> {
        let user = json!({ "ids": { "user_id": "alice" }, "profile_picture": picture });
        let body = json!({ "user": user, "field_mask": { "paths": ["profile_picture"] } });
        self.call("UserRegistry/Update", body).await.map(|user| user["profile_picture"].clone())
    }

    async fn face(&self) -> Value {
        let body = json!({ "user_ids": { "user_id": "alice" }, "field_mask": { "paths": ["profile_picture"] } });
        self.call("UserRegistry/Get", body).await.unwrap()["profile_picture"].clone()
    }

    /// What is served at an address: the status, the media type, the sides.
    async fn look(&self, address: &str) -> (u16, String, (u32, u32)) {
        let request = axum::http::Request::get(address).body(axum::body::Body::empty()).unwrap();
        let answer = ttn_is::api::routes(&self.bench.server).oneshot(request).await.unwrap();
        let media_type = answer.headers().get("content-type");
        let media_type = media_type.map(|value| value.to_str().unwrap().to_owned());
        let status = answer.status().as_u16();
        let octets = axum::body::to_bytes(answer.into_body(), 1 << 24).await.unwrap();
        let sides = image::load_from_memory(&octets).map(|it| (it.width(), it.height()));
        (status, media_type.unwrap_or_default(), sides.unwrap_or_default())
    }

    /// How many rows of pictures there are.
    async fn kept(&self) -> usize {
        let scan = Scan { table: Table::Picture, prefix: String::new(), after: None, limit: 1_000 };
        self.bench.store.scan(&scan).await.unwrap().len()
    }
}

fn upload(picture: &DynamicImage, format: ImageFormat) -> Value {
    let mut octets = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut octets, format).unwrap();
    let data = BASE64.encode(&octets.into_inner());
    json!({ "embedded": { "mime_type": format.to_mime_type(), "data": data } })
}

fn png() -> Value {
    upload(&DynamicImage::new_rgba8(300, 150), ImageFormat::Png)
}

// IS-18
#[tokio::test]
async fn a_picture_is_served_in_every_size_until_another_one_takes_its_place() {
    let album = Album::new(ttn_is::Config::default()).await;
    let first = album.set_face(png()).await.unwrap();
    assert_eq!(album.face().await, first);
    assert_eq!(first["embedded"], Value::Null);
    let address = first["sizes"]["64"].as_str().unwrap().to_owned();
    assert_eq!(album.look(&address).await, (200, "image/png".to_owned(), (64, 32)));
    let largest = first["sizes"]["512"].as_str().unwrap();
    assert_eq!(album.look(largest).await.2, (300, 150));
    let photo = upload(&DynamicImage::new_rgb8(700, 700), ImageFormat::Jpeg);
    let second = album.set_face(photo).await.unwrap();
    assert_eq!(album.look(&address).await.0, 404);
    let largest = second["sizes"]["512"].as_str().unwrap();
    assert_eq!(album.look(largest).await, (200, "image/jpeg".to_owned(), (512, 512)));
    assert_eq!(album.kept().await, 4);
    album.set_face(Value::Null).await.unwrap();
    assert_eq!((album.face().await, album.kept().await), (Value::Null, 0));
}

// IS-18
#[tokio::test]
async fn addresses_are_not_taken_from_anybody_and_others_are_not_served() {
    let album = Album::new(ttn_is::Config::default()).await;
    let own = album.set_face(png()).await.unwrap();
    let foreign = json!({ "sizes": { "64": "https://elsewhere.example.com/tracker.png" } });
    assert_eq!(album.set_face(foreign).await.unwrap(), own);
    assert_eq!(album.set_face(own.clone()).await.unwrap(), own);
    let place = own["sizes"]["64"].as_str().unwrap();
    for address in [
        place.replace("64.png", "65.png"),
        place.replace("/64.png", ""),
        place.replace("profile", "end_device"),
        "/assets/blob/alice".to_owned(),
        "/assets/blob/..%2F..%2Fkek.png".to_owned(),
        format!("/assets/blob/{}.png", "a".repeat(3_000)),
    ] {
        assert_eq!(album.look(&address).await.0, 404, "{address}");
    }
}

// IS-18, promise 10
#[tokio::test]
async fn what_is_no_picture_is_refused_by_name_and_changes_nothing() {
    let album = Album::new(ttn_is::Config::default()).await;
    let own = album.set_face(png()).await.unwrap();
    let mut lie = png();
    lie["embedded"]["mime_type"] = "image/jpeg".into();
    let script = json!({ "embedded": { "data": BASE64.encode(b"<svg onload='alert(1)'/>") } });
    for (picture, reason) in [
        (lie, "profile_picture: is not what its MIME type says"),
        (script, "profile_picture: is neither PNG nor JPEG"),
        (json!({ "embedded": {} }), "profile_picture: is neither PNG nor JPEG"),
    ] {
        let error = album.set_face(picture).await.unwrap_err();
        assert_eq!(error.code(), tonic::Code::InvalidArgument);
        assert!(error.message().contains(reason), "{error}");
    }
    assert_eq!((album.face().await, album.kept().await), (own, 4));
}

// IS-18
#[tokio::test]
async fn the_picture_of_a_device_ends_with_the_device_and_that_of_a_user_with_his_purge() {
    let album = Album::new(ttn_is::Config::default()).await;
    let application = json!({ "application_id": "app1" });
    let ids = json!({ "device_id": "dev1", "application_ids": application });
    let device = json!({ "end_device": { "ids": ids, "picture": png() } });
    album.call("EndDeviceRegistry/Create", device).await.unwrap();
    let new = json!({ "ids": ids, "picture": png() });
    let update = json!({ "end_device": new, "field_mask": { "paths": ["picture"] } });
    let device = album.call("EndDeviceRegistry/Update", update).await.unwrap();
    let address = device["picture"]["sizes"]["128"].as_str().unwrap();
    assert!(address.starts_with("/assets/blob/end_device_pictures/"), "{address}");
    assert_eq!((album.look(address).await.0, album.kept().await), (200, 4));
    album.call("EndDeviceRegistry/Delete", ids).await.unwrap();
    assert_eq!(album.kept().await, 0);
    album.set_face(png()).await.unwrap();
    let (bench, alice) = (&album.bench, "alice".parse().unwrap());
    let alice = ttn_core::id::EntityId::User(alice);
    bench.server.delete(&bench.admin, &alice).await.unwrap();
    assert_eq!(album.kept().await, 4);
    bench.server.purge(&bench.admin, &alice).await.unwrap();
    assert_eq!(album.kept().await, 0);
}

// IS-18
#[tokio::test]
async fn uploads_can_be_off_and_gravatar_on_for_those_who_may_see_the_address() {
    let pictures = ttn_is::Pictures { uploads: false, gravatar: true };
    let album = Album::new(ttn_is::Config { pictures, ..ttn_is::Config::default() }).await;
    let error = album.set_face(png()).await.unwrap_err();
    assert_eq!(error.code(), tonic::Code::FailedPrecondition);
    let face = album.face().await["sizes"]["64"].as_str().unwrap().to_owned();
    // SHA-256 of alice@example.com
    let hash = "ff8d9819fc0e12bf0d24892e45987e249a28dce836a85cad60e28eaaa8c6d976";
    assert_eq!(face, format!("https://www.gravatar.com/avatar/{hash}?s=64&d=mp"));
    let configuration = album.call("Is/GetConfiguration", json!({})).await.unwrap();
    let configuration = &configuration["configuration"];
    assert_eq!(
        configuration["profile_picture"],
        json!({ "disable_upload": true, "use_gravatar": true })
    );
    assert_eq!(configuration["end_device_picture"], json!({ "disable_upload": true }));
}
