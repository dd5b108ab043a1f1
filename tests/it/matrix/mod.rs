//! Every RPC that is served × who calls (promise 7, IS-21 to IS-32): deny is the default.

mod rules;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tonic::{Code, Request, Status};
use ttn::{
    core::{
        auth::{Credentials, Principal, Right, Rights},
        id::EntityId,
    },
    identity_server::{IdentityServer, entity::Account, record},
    proto::service::{Incoming, Method},
    stack::config::Config,
};

use crate::net::Net;
use rules::{Kind, NOT_BUILT, RULES, Who, body};

const PASSWORD: &str = "Correct-horse-1";
const CLUSTER_KEY: &str = "ClusterKey 00112233445566778899aabbccddeeff";

/// Alice has one entity of each kind, Bob another application, Mallory nothing.
struct World {
    net: Net,
    methods: Vec<Method>,
    admin: Principal,
    alice: Principal,
    alice_token: String,
    /// A key with all rights on Bob's application.
    bob_token: String,
    mallory_token: String,
    /// Of a user who is given rights on the OAuth client as they are needed: clients have no keys.
    probe_token: String,
}

impl World {
    async fn new() -> Self {
        let identity =
            json!({ "cluster_keys": [CLUSTER_KEY.strip_prefix("ClusterKey ").unwrap()] });
        let mut config = Config::default();
        config.identity = serde_json::from_value(identity).unwrap();
        let net = Net::configured(71, 0, config).await;
        let stack = net.sim.stack().unwrap();
        let server = stack.identity.clone();
        let admin = Credentials::Bearer(net.sim.api_key().to_owned());
        let admin = server.authenticate(&admin).await.unwrap();
        let mut people = Vec::new();
        for name in ["alice", "bob", "mallory", "probe"] {
            people.push(person(&server, &admin, name).await);
        }
        let [(alice, alice_token), (bob, _), (_, mallory_token), (_, probe_token)] =
            people.try_into().unwrap();
        entities(&server, &alice).await;
        let app2 = record::Application::new(&"app2".parse().unwrap());
        server.create_application(&bob, app2, &account("bob")).await.unwrap();
        let app2 = EntityId::Application("app2".parse().unwrap());
        let all = Rights::from_iter([Right::ApplicationAll]);
        let bob_token = server.create_api_key(&bob, &app2, "", all, None).await.unwrap().token;
        let methods = stack.api().methods().cloned().collect();
        Self { net, methods, admin, alice, alice_token, bob_token, mallory_token, probe_token }
    }

    fn server(&self) -> &IdentityServer {
        &self.net.sim.stack().unwrap().identity
    }

    /// A token with exactly these rights on Alice's entity of a kind.
    async fn token(&self, kind: Kind, rights: Rights) -> String {
        let entity = kind.entity();
        if kind == Kind::Cli {
            let probe = account("probe");
            self.server().set_collaborator(&self.alice, &entity, &probe, rights).await.unwrap();
            return self.probe_token.clone();
        }
        let issued = self.server().create_api_key(&self.alice, &entity, "", rights, None).await;
        issued.unwrap().token
    }

    /// Calls and says whether the call was let in, whatever became of it then.
    async fn is_let_in(&self, method: &Method, who: &str, token: &str) -> bool {
        let (service, rpc) = (method.rpc().service, method.rpc().name);
        let answer = call(method, token, body(service, rpc)).await;
        if answer.is_ok() && rpc == "Delete" {
            self.restore(service).await;
        }
        let name = format!("{service}.{rpc}");
        let hides = RULES.iter().any(|(rule, who)| *rule == name && matches!(who, Who::Hidden(..)));
        let Err(status) = answer else { return true };
        match status.code() {
            Code::Unauthenticated | Code::PermissionDenied => false,
            Code::NotFound if hides => false,
            Code::Internal | Code::Unknown => panic!("{name} by {who}: {status:?}"),
            _ => true,
        }
    }

    /// Brings back what a call was allowed to delete.
    async fn restore(&self, service: &str) {
        let kind = match service {
            "ApplicationRegistry" => Kind::App,
            "ClientRegistry" => Kind::Cli,
            "GatewayBatchRegistry" | "GatewayRegistry" => Kind::Gtw,
            "OrganizationRegistry" => Kind::Org,
            "UserRegistry" => Kind::Usr,
            _ => return,
        };
        self.server().restore(&self.admin, &kind.entity()).await.unwrap();
    }
}

impl Kind {
    fn entity(self) -> EntityId {
        match self {
            Self::App => EntityId::Application("app1".parse().unwrap()),
            Self::Cli => EntityId::Client("client1".parse().unwrap()),
            Self::Gtw => EntityId::Gateway("gtw1".parse().unwrap()),
            Self::Org => EntityId::Organization("org1".parse().unwrap()),
            Self::Usr => EntityId::User("alice".parse().unwrap()),
        }
    }

    /// Every right on entities of the kind.
    fn rights(self) -> impl Iterator<Item = Right> {
        let prefix = match self {
            Self::App => "RIGHT_APPLICATION_",
            Self::Cli => "RIGHT_CLIENT_",
            Self::Gtw => "RIGHT_GATEWAY_",
            Self::Org => "RIGHT_ORGANIZATION_",
            Self::Usr => "RIGHT_USER_",
        };
        Right::ALL_RIGHTS.iter().copied().filter(move |right| right.name().starts_with(prefix))
    }
}

async fn person(server: &IdentityServer, admin: &Principal, name: &str) -> (Principal, String) {
    let id = name.parse().unwrap();
    let mut user = record::User::new(&id, &format!("{name}@example.com"));
    user.state = ttn::identity_server::rights::STATE_APPROVED;
    server.create_user(admin, user, PASSWORD, "").await.unwrap();
    let himself = server.log_in(&id, PASSWORD).await.unwrap();
    let all = Rights::from_iter([Right::All]);
    let issued = server.create_api_key(&himself, &EntityId::User(id), "", all, None).await.unwrap();
    let principal = server.authenticate(&Credentials::Bearer(issued.token.clone())).await.unwrap();
    (principal, issued.token)
}

async fn entities(server: &IdentityServer, alice: &Principal) {
    let owner = account("alice");
    let application = record::Application::new(&"app1".parse().unwrap());
    server.create_application(alice, application, &owner).await.unwrap();
    let client = record::Client::new(&"client1".parse().unwrap());
    server.create_client(alice, client, "", &owner).await.unwrap();
    let gateway = record::Gateway::new(&"gtw1".parse().unwrap());
    let gateway = gateway.with_eui("01".repeat(8).parse().unwrap());
    server.create_gateway(alice, gateway, &owner).await.unwrap();
    let organization = record::Organization::new(&"org1".parse().unwrap());
    server.create_organization(alice, organization, &owner).await.unwrap();
    let device = record::Device::new(&"app1.dev1".parse().unwrap());
    let device = device.with_euis("02".repeat(8).parse().unwrap(), "03".repeat(8).parse().unwrap());
    server.create_device(alice, device).await.unwrap();
}

fn account(name: &str) -> Account {
    Account::User(name.parse().unwrap())
}

async fn call(method: &Method, token: &str, body: Value) -> Result<(), Status> {
    let mut request = Request::new(Incoming::Json(body));
    if !token.is_empty() {
        let value = match token.split_once(' ') {
            Some(_) => token.to_owned(),
            None => format!("Bearer {token}"),
        };
        request.metadata_mut().insert("authorization", value.parse().unwrap());
    }
    let now = prost_types::Timestamp { seconds: 1_790_000_000, nanos: 0 };
    if method.rpc().server_stream {
        method.server_stream(request, now).await.map(drop)
    } else {
        method.unary(request, now).await.map(drop)
    }
}

/// What is wrong with an RPC, one line each.
async fn check(world: &World, method: &Method, who: Who, wrong: &mut Vec<String>) {
    let name = format!("{}.{}", method.rpc().service, method.rpc().name);
    let mut expect = async |caller: &str, token: &str, expected: bool| {
        if world.is_let_in(method, caller, token).await != expected {
            let verb = if expected { "is refused" } else { "is let in" };
            wrong.push(format!("{name}: {caller} {verb}"));
        }
    };
    let known = !matches!(who, Who::Open);
    expect("nobody", "", !known).await;
    if known {
        expect("a wrong key", "NNSXS.AAAA.BBBB", false).await;
        expect("a wrong cluster key", "ClusterKey 0011", false).await;
    }
    let for_strangers = matches!(who, Who::Open | Who::Known);
    let for_users = for_strangers || matches!(who, Who::Himself(_));
    expect("a stranger", &world.mallory_token, for_users).await;
    expect("another application's key", &world.bob_token, for_strangers).await;
    let owns = !matches!(who, Who::Admin | Who::Cluster);
    match who {
        Who::Hidden(kind, needs) | Who::On(kind, needs) | Who::OnOrCluster(kind, needs) => {
            let needs: Rights = needs.iter().copied().collect();
            let covers = |has: Rights| has.implied().contains_all(needs);
            for right in kind.rights() {
                let has = Rights::from_iter([right]);
                let token = world.token(kind, has).await;
                expect(&format!("{right:?} alone"), &token, covers(has)).await;
            }
            for right in needs.iter().filter(|_| needs.iter().count() > 1) {
                let token = world.token(kind, needs.difference(Rights::from_iter([right]))).await;
                expect(&format!("all but {right:?}"), &token, false).await;
            }
            expect("just what is needed", &world.token(kind, needs).await, true).await;
            let cluster = covers(Rights::cluster()) || matches!(who, Who::OnOrCluster(..));
            expect("the cluster", CLUSTER_KEY, cluster).await;
            expect("the administrator", world.net.sim.api_key(), covers(Rights::admin())).await;
        }
        Who::Any(kind) => {
            for right in kind.rights() {
                let token = world.token(kind, Rights::from_iter([right])).await;
                expect(&format!("{right:?} alone"), &token, true).await;
            }
        }
        Who::Himself(needed) => {
            for right in Kind::Usr.rights() {
                let token = world.token(Kind::Usr, Rights::from_iter([right])).await;
                let covers = Rights::from_iter([right]).implied().contains(needed);
                expect(&format!("{right:?} alone"), &token, covers).await;
            }
        }
        Who::Cluster | Who::Admin | Who::Known | Who::Open => {}
    }
    expect("the owner", &world.alice_token, owns).await;
    match who {
        Who::Admin => expect("the cluster", CLUSTER_KEY, false).await,
        Who::Cluster | Who::Known | Who::Open => expect("the cluster", CLUSTER_KEY, true).await,
        _ => {}
    }
    match who {
        Who::Cluster => expect("the administrator", world.net.sim.api_key(), false).await,
        Who::Admin | Who::Himself(_) | Who::Known | Who::Open => {
            expect("the administrator", world.net.sim.api_key(), true).await;
        }
        _ => {}
    }
}

// IS-21 to IS-31, promise 7
#[tokio::test(start_paused = true)]
async fn every_rpc_lets_in_whom_it_should_and_nobody_else() {
    let world = World::new().await;
    let name = |method: &Method| format!("{}.{}", method.rpc().service, method.rpc().name);
    let served: BTreeSet<_> = world.methods.iter().map(name).collect();
    let ruled: BTreeSet<_> = RULES.iter().map(|(name, _)| (*name).to_owned()).collect();
    let not_built: BTreeSet<_> = NOT_BUILT.iter().map(|name| (*name).to_owned()).collect();
    let listed: BTreeSet<_> = ruled.union(&not_built).cloned().collect();
    assert_eq!(served, listed, "each served RPC has one row of rules");
    let find = |rpc: &str| world.methods.iter().find(|method| name(method) == rpc).unwrap();
    for rpc in NOT_BUILT {
        let method = find(rpc);
        let answer = call(method, "", body(method.rpc().service, method.rpc().name)).await;
        // Whether a request is sound is looked at before anything else.
        let code = answer.unwrap_err().code();
        assert!(matches!(code, Code::InvalidArgument | Code::Unimplemented), "{rpc}: {code}");
    }
    let mut wrong = Vec::new();
    for (rpc, who) in RULES {
        check(&world, find(rpc), *who, &mut wrong).await;
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

// IS-23: what a stranger is told, by name
#[tokio::test(start_paused = true)]
async fn a_stranger_is_told_that_he_has_no_rights_at_all() {
    let world = World::new().await;
    for (rpc, who) in RULES {
        let Who::On(kind, _) = who else { continue };
        let (service, name) = rpc.split_once('.').unwrap();
        let method = world
            .methods
            .iter()
            .find(|method| (method.rpc().service, method.rpc().name) == (service, name));
        let answer = call(method.unwrap(), &world.mallory_token, body(service, name)).await;
        let expected = match kind {
            Kind::App => "error:pkg/auth/rights:no_application_rights ",
            Kind::Cli => "error:pkg/auth/rights:no_client_rights ",
            Kind::Gtw => "error:pkg/auth/rights:no_gateway_rights ",
            Kind::Org => "error:pkg/auth/rights:no_organization_rights ",
            Kind::Usr => "error:pkg/auth/rights:no_user_rights ",
        };
        let status = answer.unwrap_err();
        assert!(status.message().starts_with(expected), "{rpc}: {status:?}");
    }
}
