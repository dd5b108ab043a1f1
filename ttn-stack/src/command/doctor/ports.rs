//! Whether the ports of the configuration are free, and who holds those that are not.

use std::{
    fs, io,
    net::{SocketAddr, TcpListener, UdpSocket},
    path::Path,
};

use super::Finding;
use crate::config::Config;

const CHECK: &str = "ports";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Tcp,
    Udp,
}

pub(super) fn check(config: &Config) -> Vec<Finding> {
    let ports = &config.ports;
    let all = [
        ("udp", Protocol::Udp, ports.udp),
        ("mqtt", Protocol::Tcp, ports.mqtt),
        ("mqtt_tls", Protocol::Tcp, ports.mqtt_tls),
        ("mqtt_ws", Protocol::Tcp, ports.mqtt_ws),
        ("mqtt_wss", Protocol::Tcp, ports.mqtt_wss),
        ("grpc", Protocol::Tcp, ports.grpc),
        ("grpc_tls", Protocol::Tcp, ports.grpc_tls),
        ("http", Protocol::Tcp, ports.http),
        ("http_tls", Protocol::Tcp, ports.http_tls),
        ("interop", Protocol::Tcp, ports.interop.unwrap_or_default()),
    ];
    all.into_iter()
        // Port 0 takes a free one.
        .filter(|(.., port)| *port != 0)
        .map(|(key, protocol, port)| {
            let address = SocketAddr::new(config.listen, port.saturating_add(ports.offset));
            judge(key, protocol, address)
        })
        .collect()
}

fn judge(key: &str, protocol: Protocol, address: SocketAddr) -> Finding {
    let bound = match protocol {
        Protocol::Tcp => TcpListener::bind(address).map(drop),
        Protocol::Udp => UdpSocket::bind(address).map(drop),
    };
    let port = address.port();
    let Err(error) = bound else {
        return Finding::fine(CHECK, format!("ports.{key}: {port} is free"));
    };
    if error.kind() != io::ErrorKind::AddrInUse {
        let text = format!("ports.{key}: {address} cannot be bound: {error}");
        let fix = "choose another address (`listen`) or a port above 1023";
        return Finding::error(CHECK, text, fix);
    }
    let holder = holder(Path::new("/proc"), protocol, port);
    match &holder {
        Some((name, process)) if name.starts_with("ttn-stack") => {
            let text = format!("ports.{key}: {port} is held by a running ttn-stack ({process})");
            Finding::fine(CHECK, text)
        }
        _ => {
            let who = holder.map_or_else(
                || "another program".to_owned(),
                |(name, process)| format!("{name} (process {process})"),
            );
            let text = format!("ports.{key}: {port} is held by {who}");
            Finding::error(
                CHECK,
                text,
                "stop it, set another port, or shift all with --port-offset N",
            )
        }
    }
}

/// Name and process of who holds a port, as far as `/proc` lets us see.
fn holder(proc: &Path, protocol: Protocol, port: u16) -> Option<(String, u32)> {
    let tables = match protocol {
        Protocol::Tcp => ["net/tcp", "net/tcp6"],
        Protocol::Udp => ["net/udp", "net/udp6"],
    };
    let texts = tables.iter().filter_map(|table| fs::read_to_string(proc.join(table)).ok());
    let inodes: Vec<_> = texts.flat_map(|text| inodes(&text, protocol, port)).collect();
    let sockets: Vec<_> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
    for entry in fs::read_dir(proc).ok()?.flatten() {
        let Some(process) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let Ok(files) = fs::read_dir(entry.path().join("fd")) else { continue };
        let holds = files.flatten().filter_map(|file| fs::read_link(file.path()).ok());
        let is_ours = |target: std::path::PathBuf| {
            target.to_str().is_some_and(|target| sockets.iter().any(|socket| socket == target))
        };
        if holds.into_iter().any(is_ours) {
            let name = fs::read_to_string(entry.path().join("comm")).ok()?;
            return Some((name.trim().to_owned(), process));
        }
    }
    None
}

/// The inodes of the sockets that are bound to a port, of a table such as `/proc/net/tcp`.
fn inodes(table: &str, protocol: Protocol, port: u16) -> Vec<String> {
    const LISTENS: &str = "0A";
    let row = |line: &str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let (_, local) = fields.get(1)?.rsplit_once(':')?;
        let is_it = u16::from_str_radix(local, 16).ok()? == port;
        let listens = protocol == Protocol::Udp || *fields.get(3)? == LISTENS;
        (is_it && listens).then(|| fields.get(9).map(|inode| (*inode).to_owned()))?
    };
    table.lines().skip(1).filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::doctor::Severity;

    #[test]
    fn a_held_port_is_found_and_named() {
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = held.local_addr().unwrap();
        let finding = judge("http", Protocol::Tcp, address);
        let text = format!("ports.http: {} is held by", address.port());
        // A test binary of ttn-stack is called like it.
        assert!(finding.text.starts_with(&text), "{finding:?}");
        drop(held);
        assert_eq!(judge("http", Protocol::Tcp, address).severity, Severity::Fine);
    }

    #[test]
    fn the_table_of_sockets_is_read() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:075B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1\n\
            1: 0100007F:075B 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 4712 1\n";
        assert_eq!(inodes(table, Protocol::Tcp, 0x75B), ["4711"]);
        assert_eq!(inodes(table, Protocol::Tcp, 0x75C), Vec::<String>::new());
    }
}
