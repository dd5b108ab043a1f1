//! The server that is measured: `ttn-stack start` as a child process.

use std::{
    env, fs,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use ttn_core::{clock::Clock, time::Monotonic};
use ttn_gs::config::Ack;

use super::usage::Usage;
use crate::config::{Config, Ports};

/// A directory for one run; it is removed at the end.
#[derive(Debug)]
pub(super) struct Scratch(PathBuf);

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    // Kept open: whoever prints to a closed pipe ends.
    _output: BufReader<ChildStdout>,
    pub(super) udp: SocketAddr,
    pub(super) mqtt: SocketAddr,
    pub(super) http: SocketAddr,
    /// From its start to `GET /healthz` with success.
    pub(super) ready_after: Duration,
}

impl Scratch {
    /// Makes a directory below `parent`, or where the system has temporary files.
    pub(super) fn make(parent: Option<&Path>) -> anyhow::Result<Self> {
        let name = format!("ttn-bench-{}", std::process::id());
        let path = parent.map_or_else(env::temp_dir, Path::to_owned).join(name);
        fs::create_dir_all(&path).with_context(|| path.display().to_string())?;
        Ok(Self(path))
    }

    /// Writes the configuration of the run, and gives it with the path of its file.
    pub(super) fn config(&self, ack: Ack) -> anyhow::Result<(Config, PathBuf)> {
        let mut config = Config {
            data: self.0.join("data"),
            listen: Ipv4Addr::LOCALHOST.into(),
            ports: Ports {
                udp: 0,
                mqtt: 0,
                mqtt_tls: 0,
                mqtt_ws: 0,
                mqtt_wss: 0,
                grpc: 0,
                grpc_tls: 0,
                http: 0,
                http_tls: 0,
                interop: None,
                offset: 0,
            },
            ..Config::default()
        };
        config.gateways.ack = ack;
        // Ten packets of one gateway within 10 ms are not much here.
        config.gateways.rate_firewall = false;
        let path = self.0.join("ttn.yml");
        fs::write(&path, config.to_yaml()).with_context(|| path.display().to_string())?;
        Ok((config, path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left over lies in the directory for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Server {
    /// Starts it and waits until it is ready.
    pub(super) async fn start(
        program: Option<&Path>,
        config: &Path,
        clock: &Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let own = || env::current_exe().context("the path of this program");
        let program = program.map_or_else(own, |program| Ok(program.to_owned()))?;
        let mut command = Command::new(program);
        for (name, _) in env::vars().filter(|(name, _)| name.starts_with("TTN_")) {
            command.env_remove(name);
        }
        command.arg("start").arg("--config").arg(config);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let began = clock.monotonic();
        let mut child = command.spawn().context("the server")?;
        let output = child.stdout.take().context("the output of the server")?;
        let mut output = BufReader::new(output);
        let mut line = String::new();
        while !line.contains("listens on") {
            line.clear();
            if output.read_line(&mut line)? == 0 {
                bail!("the server ended before it listened: {}", child.wait()?);
            }
        }
        let address = |name: &str| {
            let port = port(&line, name).with_context(|| format!("no port of {name} in {line:?}"));
            port.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        };
        let (udp, mqtt, http) = (address("UDP")?, address("MQTT")?, address("HTTP")?);
        let ready_after = Duration::ZERO;
        let mut server = Self { child, _output: output, udp, mqtt, http, ready_after };
        server.ready_after = server.ready(began, clock).await?;
        Ok(server)
    }

    async fn ready(
        &mut self,
        began: Monotonic,
        clock: &Arc<dyn Clock>,
    ) -> anyhow::Result<Duration> {
        loop {
            if self.get("/healthz").is_ok() {
                return Ok(clock.monotonic().since(began));
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended before it was ready: {status}");
            }
            if clock.monotonic().since(began) > READY_MAX {
                bail!("the server is not ready after {READY_MAX:?}");
            }
            clock.sleep_until(clock.monotonic().plus(READY_PAUSE)).await;
        }
    }

    /// Lets it stand still: its sockets take what comes as long as they have room.
    pub(super) async fn stall(&self, clock: &dyn Clock, time: Duration) -> anyhow::Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.context("the number of the server's process")?;
        kill_process(pid, Signal::STOP).context("the server cannot be halted")?;
        clock.sleep_until(clock.monotonic().plus(time)).await;
        kill_process(pid, Signal::CONT).context("the server stays halted")
    }

    /// What it uses.
    pub(super) fn usage(&self) -> anyhow::Result<Usage> {
        Usage::of(self.child.id()).context("the figures of the server's process")
    }

    /// How often the store has made something durable; 0 if the program does not tell.
    pub(super) fn syncs(&self) -> anyhow::Result<u64> {
        let metrics = self.get("/metrics")?;
        let count = metrics.lines().find_map(|line| line.strip_prefix(SYNCS)?.trim().parse().ok());
        Ok(count.unwrap_or_default())
    }

    /// Reads a page of HTTP.
    fn get(&self, path: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(self.http)?;
        stream.set_read_timeout(Some(READY_MAX))?;
        let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        if answer.split(' ').nth(1) != Some("200") {
            return Err(io::Error::other(format!("{path}: {answer}")));
        }
        Ok(answer)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The port behind a name in the line that tells where a server listens.
fn port(line: &str, name: &str) -> Option<u16> {
    let (_, rest) = line.split_once(&format!(" {name} "))?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

const READY_MAX: Duration = Duration::from_secs(120);
const READY_PAUSE: Duration = Duration::from_millis(5);
const SYNCS: &str = "ttn_lw_store_syncs_total";
