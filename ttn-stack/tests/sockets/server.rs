//! `ttn-stack start` as a child process.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use crate::http;

/// How long anything may take that has to happen.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// A running server. Dropping it kills it.
pub(crate) struct Server {
    child: Child,
    pub(crate) udp: u16,
    pub(crate) mqtt: u16,
    pub(crate) mqtt_tls: u16,
    pub(crate) mqtt_ws: u16,
    pub(crate) mqtt_wss: u16,
    pub(crate) grpc: u16,
    pub(crate) grpc_tls: u16,
    pub(crate) http: u16,
    pub(crate) http_tls: u16,
    pub(crate) interop: Option<u16>,
    /// Of the first start.
    pub(crate) api_key: Option<String>,
}

/// A command of the binary, with an environment without our variables.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ttn-stack"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TTN_")) {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Writes a configuration that takes free ports and keeps its data beside the file.
pub(crate) fn write_config(directory: &Path, more: &str) -> PathBuf {
    let path = directory.join("ttn.yml");
    let data = directory.join("data");
    let text = format!("data: {}\nlisten: 127.0.0.1\n{more}", data.display());
    fs::write(&path, text).unwrap();
    path
}

/// Every port is a free one.
pub(crate) const FREE_PORTS: &str = "ports:\n  udp: 0\n  mqtt: 0\n  mqtt_tls: 0\n  mqtt_ws: 0\n  mqtt_wss: 0\n  grpc: 0\n  grpc_tls: 0\n  http: 0\n  http_tls: 0\n";

impl Server {
    /// Starts it on the data in a directory and waits until it is healthy.
    pub(crate) fn start(directory: &Path) -> Self {
        Self::start_with(directory, "")
    }

    /// The same with more lines in its configuration.
    pub(crate) fn start_with(directory: &Path, more: &str) -> Self {
        Self::start_on(directory, &format!("{FREE_PORTS}{more}"))
    }

    /// The same with its configuration but for the data, ports included.
    pub(crate) fn start_on(directory: &Path, text: &str) -> Self {
        let config = write_config(directory, text);
        let mut command = command(&["start", "--config", config.to_str().unwrap()]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = lines_of(child.stdout.take().unwrap());
        let mut api_key = None;
        let listens = loop {
            let line = lines.recv_timeout(SOON).expect("the server says where it listens");
            if let Some(key) = line.trim().strip_prefix("API key") {
                api_key = Some(key.trim().to_owned());
            }
            if line.contains("listens on") {
                break line;
            }
        };
        let port = |name: &str| {
            let (_, rest) = listens.split_once(&format!(" {name} ")).expect(name);
            let digits = rest.split(|c: char| !c.is_ascii_digit()).next().unwrap();
            digits.parse().unwrap()
        };
        let (udp, mqtt, http) = (port("UDP"), port("MQTT"), port("HTTP"));
        let (mqtt_tls, mqtt_ws, mqtt_wss) = (port("MQTTS"), port("MQTT-WS"), port("MQTT-WSS"));
        let (grpc, grpc_tls, http_tls) = (port("gRPC"), port("gRPC-TLS"), port("HTTPS"));
        let interop = listens.contains(" interop ").then(|| port("interop"));
        let server = Self {
            child,
            udp,
            mqtt,
            mqtt_tls,
            mqtt_ws,
            mqtt_wss,
            grpc,
            grpc_tls,
            http,
            http_tls,
            interop,
            api_key,
        };
        wait_for(|| {
            http::request(http, "GET", "/healthz", None, "").is_ok_and(|it| it.status == 200)
        });
        server
    }

    /// Asks it to stop (SIGTERM) and waits until it has.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        let kill = format!("kill -TERM {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        let mut status = None;
        wait_for(|| {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// Kills it at once (SIGKILL).
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until something is so.
pub(crate) fn wait_for(mut is_so: impl FnMut() -> bool) {
    let pause = Duration::from_millis(20);
    for _ in 0..SOON.as_millis() / pause.as_millis() {
        if is_so() {
            return;
        }
        thread::sleep(pause);
    }
    panic!("it did not happen within {SOON:?}");
}

/// The lines of a stream, as they come.
pub(crate) fn lines_of(stream: impl Read + Send + 'static) -> Lines {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    Lines(receiver)
}

/// Lines that a child prints.
pub(crate) struct Lines(Receiver<String>);

impl Lines {
    pub(crate) fn recv_timeout(&self, timeout: Duration) -> Result<String, RecvTimeoutError> {
        self.0.recv_timeout(timeout)
    }
}
