//! The clients of Mosquitto as child processes.

use std::{
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use serde_json::Value;

use crate::server::{Lines, SOON, lines_of};

/// Whether a program is installed.
pub(crate) fn is_there(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// `mosquitto_sub -t TOPIC`: every message is a line of JSON. Dropping it ends it.
pub(crate) struct Subscriber {
    child: Child,
    lines: Lines,
}

impl Subscriber {
    /// Subscribes, and waits until the broker has confirmed it.
    pub(crate) fn start(port: u16, application: &str, api_key: &str, topic: &str) -> Self {
        let port = port.to_string();
        // -d prints what the protocol does, line by line; payloads come between. Without stdbuf it prints nothing into
        // a pipe before the first message.
        let mut command = Command::new("stdbuf");
        command.args([
            "-oL",
            "mosquitto_sub",
            "-h",
            "127.0.0.1",
            "-p",
            &port,
            "-u",
            application,
            "-P",
            api_key,
        ]);
        command.args(["-q", "1", "-d", "-t", topic]).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = lines_of(child.stdout.take().unwrap());
        let subscriber = Self { child, lines };
        subscriber.line_with("Subscribed");
        subscriber
    }

    /// The next message, as JSON.
    pub(crate) fn next(&self) -> Value {
        serde_json::from_str(&self.line_with("{")).unwrap()
    }

    /// The next message, if one comes in time.
    pub(crate) fn next_within(&self, duration: Duration) -> Option<Value> {
        loop {
            let line = self.lines.recv_timeout(duration).ok()?;
            if line.starts_with('{') {
                return serde_json::from_str(&line).ok();
            }
        }
    }

    fn line_with(&self, start: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(SOON);
            let line = line.unwrap_or_else(|_| panic!("no line of mosquitto_sub with {start}"));
            if line.starts_with(start) {
                return line;
            }
        }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        // The broker may have ended it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `mosquitto_pub`, until the broker has the message.
pub(crate) fn publish(port: u16, application: &str, api_key: &str, topic: &str, message: &Value) {
    let (port, message) = (port.to_string(), message.to_string());
    let mut command = Command::new("mosquitto_pub");
    command.args(["-h", "127.0.0.1", "-p", &port, "-u", application, "-P", api_key]);
    command.args(["-q", "1", "-t", topic, "-m", &message]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// Subscribes with a key that may be wrong and gives what came of it.
pub(crate) fn try_subscribe(port: u16, application: &str, api_key: &str) -> Output {
    let port = port.to_string();
    let mut command = Command::new("mosquitto_sub");
    command.args(["-h", "127.0.0.1", "-p", &port, "-u", application, "-P", api_key]);
    // -E ends it as soon as a subscription is confirmed, -W after so many seconds.
    command.args(["-E", "-W", "20", "-t", "v3/+/devices/+/up"]).output().unwrap()
}
