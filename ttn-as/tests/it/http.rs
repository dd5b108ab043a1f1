//! The transport of webhooks against a real server on a socket that fails in every way (DESIGN 8).

use std::{sync::Arc, time::Duration};

use futures::FutureExt as _;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::rustls::{
    self, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use ttn_as::integration::webhook::{
    ANSWER_OCTETS_MAX, Answer, Request, SendError, Transport as _, http::HttpTransport,
};
use ttn_core::net::Reach;

fn transport() -> HttpTransport {
    HttpTransport::new(Reach::Private, b"").unwrap()
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook?a=b", listener.local_addr().unwrap());
    (listener, url)
}

fn post(url: &str) -> Request {
    let mut request =
        Request { url: url.parse().unwrap(), headers: Default::default(), body: "hello".into() };
    request.headers.insert("x-test", "yes".parse().unwrap());
    request
}

/// Takes a connection and reads a request to its end.
async fn accept(listener: &TcpListener) -> (TcpStream, String) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\nhello") {
        let mut octets = [0; 1024];
        let count = stream.read(&mut octets).await.unwrap();
        assert!(count > 0, "the request ended early");
        read.extend_from_slice(&octets[..count]);
    }
    (stream, String::from_utf8(read).unwrap())
}

/// Sends a request to a server that answers with these octets, closes or not, and gives what came of it.
async fn answered(octets: &[u8], closes: bool) -> (Result<Answer, SendError>, String) {
    let (listener, url) = listen().await;
    let transport = transport();
    let server = async {
        let (mut stream, request) = accept(&listener).await;
        // The client may be gone before everything is written.
        let _ = stream.write_all(octets).await;
        (if closes { None } else { Some(stream) }, request)
    };
    let (answer, (_open, request)) = tokio::join!(transport.send(post(&url)), server);
    (answer, request)
}

#[tokio::test]
async fn a_request_arrives_whole_and_a_success_is_one() {
    let (answer, request) =
        answered(b"HTTP/1.1 204 No Content\r\nRetry-After: 7\r\n\r\n", false).await;
    let retry_after = Some(Duration::from_secs(7));
    assert_eq!(answer.unwrap(), Answer { status: 204, retry_after, ..Answer::default() });
    assert!(request.starts_with("POST /hook?a=b HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("x-test: yes\r\n") && request.contains("content-length: 5\r\n"));
}

#[tokio::test]
async fn a_success_with_a_slow_or_endless_body_is_not_waited_for() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nbegin";
    assert_eq!(answered(head, false).await.0.unwrap().status, 200);
}

#[tokio::test]
async fn an_error_comes_with_the_beginning_of_its_body() {
    let (answer, _) = answered(b"HTTP/1.1 500 Oops\r\nContent-Length: 5\r\n\r\nsorry", false).await;
    let answer = answer.unwrap();
    assert_eq!((answer.status, &*answer.body), (500, &b"sorry"[..]));
    let mut giant = b"HTTP/1.1 400 Bad\r\nContent-Length: 10000000\r\n\r\n".to_vec();
    giant.resize(100_000, b'x');
    let answer = answered(&giant, false).await.0.unwrap();
    assert_eq!((answer.status, answer.body.len()), (400, ANSWER_OCTETS_MAX));
    let midway = b"HTTP/1.1 500 Oops\r\nContent-Length: 100\r\n\r\nsor";
    let answer = answered(midway, true).await.0.unwrap();
    assert_eq!((answer.status, &*answer.body), (500, &b"sor"[..]));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (elsewhere, url) = listen().await;
    let head = format!("HTTP/1.1 307 Go\r\nLocation: {url}\r\nContent-Length: 0\r\n\r\n");
    let (answer, _) = answered(head.as_bytes(), false).await;
    assert_eq!(answer.unwrap().status, 307);
    assert!(elsewhere.accept().now_or_never().is_none(), "nobody went elsewhere");
}

#[tokio::test]
async fn a_connection_that_ends_or_says_nonsense_is_no_answer() {
    for octets in ["", "HTTP/1.1 2", "SSH-2.0-OpenSSH\r\n"] {
        let (answer, _) = answered(octets.as_bytes(), true).await;
        assert!(matches!(answer, Err(SendError::Closed(_))), "{octets:?}: {answer:?}");
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_left_by_dropping_the_request() {
    let (listener, url) = listen().await;
    let transport = transport();
    let mut sending = transport.send(post(&url));
    let mut stream = tokio::select! {
        biased;
        (stream, _) = accept(&listener) => stream,
        answer = &mut sending => panic!("nobody answered, and yet {answer:?}"),
    };
    assert!((&mut sending).now_or_never().is_none());
    drop(sending);
    let mut rest = Vec::new();
    assert_eq!(stream.read_to_end(&mut rest).await.unwrap(), 0, "the connection is closed");
}

#[tokio::test]
async fn a_port_without_server_refuses_and_plain_http_is_no_tls() {
    let (listener, url) = listen().await;
    let secure = url.replace("http://", "https://");
    let server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.write_all(b"HTTP/1.1 400 Bad\r\n\r\n").await;
        drop(stream);
        drop(listener);
    };
    let transport = transport();
    let (answer, ()) = tokio::join!(transport.send(post(&secure)), server);
    assert!(matches!(answer, Err(SendError::Connect(_))), "{answer:?}");
    let answer = transport.send(post(&url)).await;
    assert!(matches!(answer, Err(SendError::Connect(_))), "{answer:?}");
}

// DESIGN 8
#[tokio::test]
async fn private_targets_are_out_of_reach_by_address_and_by_name() {
    let (listener, url) = listen().await;
    let guarded = HttpTransport::new(Reach::Public, b"").unwrap();
    let port = listener.local_addr().unwrap().port();
    let by_name = format!("http://localhost:{port}/");
    let by_v6 = format!("http://[::ffff:127.0.0.1]:{port}/");
    for url in [url.as_str(), &by_name, &by_v6] {
        let answer = guarded.send(post(url)).await;
        assert!(matches!(answer, Err(SendError::Forbidden(_))), "{url}: {answer:?}");
    }
    assert!(guarded.check(&url.parse().unwrap()).is_err());
    assert!(guarded.check(&by_name.parse().unwrap()).is_ok(), "a name is checked when resolved");
    let metadata = "http://169.254.169.254/latest";
    let answer = transport().send(post(metadata)).await;
    assert!(matches!(answer, Err(SendError::Forbidden(_))), "not even with private targets");
    assert!(listener.accept().now_or_never().is_none(), "nobody came");
}

/// Answers one request over TLS with a certificate for 127.0.0.1 of an authority of its own; gives the authority.
async fn secure(listener: TcpListener) -> (String, impl Future<Output = Option<String>>) {
    let (authority, chain, key) = certificates();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let served = async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = acceptor.accept(stream).await.ok()?;
        let mut read = Vec::new();
        while !read.ends_with(b"\r\n\r\nhello") {
            let mut octets = [0; 1024];
            let count = stream.read(&mut octets).await.unwrap();
            read.extend_from_slice(&octets[..count]);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        Some(String::from_utf8(read).unwrap())
    };
    (authority, served)
}

fn certificates() -> (String, Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let pem = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = server.signed_by(&key, &issuer).unwrap();
    let secret = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    (pem, vec![certificate.der().clone()], secret)
}

// AS-39
#[tokio::test]
async fn a_request_over_tls_arrives_where_the_certificate_is_trusted_and_nowhere_else() {
    for (is_trusted, name) in [(true, "127.0.0.1"), (false, "127.0.0.1"), (true, "localhost")] {
        let (listener, url) = listen().await;
        let url = url.replace("http://127.0.0.1", &format!("https://{name}"));
        let (authority, served) = secure(listener).await;
        let trusted = if is_trusted { authority.as_bytes() } else { b"" };
        let transport = HttpTransport::new(Reach::Private, trusted).unwrap();
        let (answer, request) = tokio::join!(transport.send(post(&url)), served);
        if is_trusted && name == "127.0.0.1" {
            assert_eq!(answer.unwrap().status, 200);
            assert!(request.unwrap().starts_with("POST /hook?a=b HTTP/1.1\r\n"));
        } else {
            assert!(matches!(answer, Err(SendError::Connect(_))), "{name}: {answer:?}");
            assert_eq!(request, None, "nothing was sent");
        }
    }
}

#[test]
fn certificates_that_are_none_are_refused() {
    let pem = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(HttpTransport::new(Reach::Public, pem).is_err());
}
