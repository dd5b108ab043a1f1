//! What has ended, and what an operator makes by hand (IS-59).

use std::time::Duration;

use ttn_core::eui::DevEui;
use ttn_is::{Config, DevEuis, EuiBlock};

use crate::bench::{Bench, PASSWORD, id, name};

const DAY: Duration = Duration::from_secs(24 * 3600);

// IS-59, IS-16
#[tokio::test]
async fn what_has_ended_is_removed_and_what_was_deleted_long_ago_frees_its_id() {
    let bench = Bench::new().await;
    let (server, admin) = (&bench.server, &bench.admin);
    let alice = bench.user("alice").await;
    let (old, new) = (
        bench.application(&alice, "alice", "old-app").await,
        bench.application(&alice, "alice", "new-app").await,
    );
    server.delete(&alice, &old).await.unwrap();
    server.send_invitation(admin, "guest@example.com").await.unwrap();
    server.open_session("alice", PASSWORD, None).await.unwrap();
    bench.clock.advance(DAY * 31);
    server.delete(&alice, &new).await.unwrap();
    let bobby = bench.user("bobby").await;
    server.open_session("bobby", PASSWORD, None).await.unwrap();
    assert_eq!(name(server.clean_up(&alice, true).await), "permission_denied");

    let seen = server.clean_up(admin, true).await.unwrap();
    assert_eq!(
        (seen.entities.as_slice(), seen.invitations),
        (&["application/old-app".to_owned()][..], 1)
    );
    // Alice was asked whether the address is hers, and logged in, long ago.
    assert_eq!((seen.tokens, seen.sessions, seen.grants), (1, 1, 0));
    assert_eq!(server.clean_up(admin, false).await.unwrap(), seen);
    let nothing = server.clean_up(admin, false).await.unwrap();
    assert_eq!(nothing, ttn_is::Cleanup::default());
    // The session of Bobby still is, the application of today can be restored, and the old id is free.
    assert_eq!(
        server.list_sessions(&bobby, &id("bobby"), &Default::default()).await.unwrap().total,
        1
    );
    server.restore(&alice, &new).await.unwrap();
    bench.application(&alice, "alice", "old-app").await;
}

// IS-59, IS-17
#[tokio::test]
async fn a_block_of_dev_euis_is_created_beside_those_of_the_configuration() {
    let block = |first: u64, length| EuiBlock { first: DevEui::from_u64(first), length };
    let dev_euis = DevEuis { blocks: vec![], application_limit: 9 };
    let bench = Bench::with(Config { dev_euis: Some(dev_euis), ..Config::default() }).await;
    let (server, admin) = (&bench.server, &bench.admin);
    let alice = bench.user("alice").await;
    bench.application(&alice, "alice", "app1").await;
    let draw = || async { server.issue_dev_eui(&alice, &"app1".parse().unwrap()).await };
    assert_eq!(name(draw().await), "dev_eui_issuing_not_enabled");
    let new = block(0x70B3_D57E_D000_0000, 62);
    assert_eq!(name(server.create_eui_block(&alice, new, 0).await), "permission_denied");
    assert_eq!(server.create_eui_block(admin, new, 2).await.unwrap(), 2);
    assert_eq!(draw().await.unwrap().to_string(), "70B3D57ED0000002");
    for (block, given) in [(new, 2), (new, 5), (block(0, 65), 0)] {
        assert_eq!(name(server.create_eui_block(admin, block, given).await), "validation");
    }
    assert_eq!(draw().await.unwrap().to_string(), "70B3D57ED0000003");
    assert_eq!(name(draw().await), "no_eui_or_block_available");
}
