//! The account on a port of its own, with everything that it mails.

use std::{
    sync::{Arc, mpsc::channel},
    thread,
};

use axum::{Router, routing::get};
use parking_lot::Mutex;
use ttn_core::{
    auth::{Credentials, Right},
    clock::SystemClock,
};
use ttn_is::{
    Config, IdentityServer, Login,
    email::{Mail, MailError, Mailer},
    entity::Account,
    record::{Client, User},
    rights::STATE_APPROVED,
    store::MemoryIdentityStore,
};

pub(crate) const PASSWORD: &str = "Correct-horse-1";

/// A server that runs as long as the test.
pub(crate) struct Server {
    /// `http://127.0.0.1:<port>`.
    pub(crate) base: String,
    /// Where the client of the test waits; another origin.
    pub(crate) client: String,
    mails: Arc<Mutex<Vec<Mail>>>,
}

#[derive(Clone, Debug)]
struct Postbox(Arc<Mutex<Vec<Mail>>>);

#[async_trait::async_trait]
impl Mailer for Postbox {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        self.0.lock().push(mail.clone());
        Ok(())
    }
}

impl Server {
    /// Starts it. Alice is there, and the client `my-app`.
    pub(crate) fn start() -> Self {
        let (sender, receiver) = channel();
        let mails: Arc<Mutex<Vec<Mail>>> = Arc::default();
        let postbox = Postbox(mails.clone());
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async move {
                let any = || tokio::net::TcpListener::bind("127.0.0.1:0");
                let (ours, clients) = (any().await.unwrap(), any().await.unwrap());
                let address = |listener: &tokio::net::TcpListener| {
                    format!("http://{}", listener.local_addr().unwrap())
                };
                let (base, client) = (address(&ours), address(&clients));
                let login = Login {
                    account_url: format!("{base}/oauth"),
                    network_name: "Harbour Network".to_owned(),
                    ..Login::default()
                };
                let server = identity(login, postbox, &format!("{client}/back")).await;
                sender.send((base, client)).unwrap();
                let back = Router::new().route("/back", get(|| async { "The client has it." }));
                let ours = axum::serve(ours, ttn_is::account::routes(&server, false));
                let clients = axum::serve(clients, back);
                let (_, _) = tokio::join!(ours.into_future(), clients.into_future());
            });
        });
        let (base, client) = receiver.recv().unwrap();
        Self { base, client, mails }
    }

    /// The link in the last mail of a kind.
    pub(crate) fn mailed(&self, template: &str) -> String {
        let mails = self.mails.lock();
        let mail = mails.iter().rev().find(|mail| mail.template == template).unwrap();
        mail.text.split_whitespace().find(|word| word.starts_with("http")).unwrap().to_owned()
    }
}

async fn identity(login: Login, postbox: Postbox, back: &str) -> Arc<IdentityServer> {
    let config = Config { login, ..Config::default() };
    let server = IdentityServer::builder(config, Arc::new(SystemClock::new()))
        .store(Arc::new(MemoryIdentityStore::new()))
        .mails(Arc::new(postbox))
        .build()
        .unwrap();
    let id = "admin".parse().unwrap();
    let admin = server.ensure_admin(&id, PASSWORD, "admin@example.com").await.unwrap().unwrap();
    let admin = server.authenticate(&Credentials::Bearer(admin.api_key)).await.unwrap();
    server.ensure_cli_client(&id).await.unwrap();
    let alice = User::new(&"alice".parse().unwrap(), "alice@example.com");
    let alice = User { state: STATE_APPROVED, ..alice };
    server.create_user(&admin, alice, PASSWORD, "").await.unwrap();
    let rights = [
        Right::UserInfo,
        Right::UserApplicationsList,
        Right::ApplicationInfo,
        Right::ApplicationDevicesRead,
        Right::ApplicationTrafficRead,
        Right::GatewayAll,
    ];
    let client = Client {
        name: "Tide Dashboard".to_owned(),
        description: "Shows the water level of every harbour.".to_owned(),
        state: STATE_APPROVED,
        redirect_uris: vec![back.to_owned()],
        rights: rights.map(Right::number).to_vec(),
        ..Client::new(&"my-app".parse().unwrap())
    };
    server.create_client(&admin, client, "secret", &Account::User(id)).await.unwrap();
    server
}
