//! A browser without a window, driven through WebDriver: one request of HTTP per command.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

/// A browser and the program that drives it. Both end with it.
pub(crate) struct Browser {
    driver: Child,
    port: u16,
    session: String,
}

/// Whether both are installed.
pub(crate) fn is_there() -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    let has = |tool: &str| std::env::split_paths(&path).any(|it| it.join(tool).is_file());
    has("chromium") && has("chromedriver")
}

/// Starts the driver; `None` where it ended before it listened.
///
/// With port 0 it takes a free port of IPv4, then wants the same one of IPv6, and gives up where somebody else has that.
fn start() -> Option<(Child, u16)> {
    let mut driver =
        Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    let port = lines.map_while(Result::ok).find_map(|line| {
        line.split_once("started successfully on port ")?.1.trim_end_matches('.').parse().ok()
    });
    if port.is_none() {
        driver.wait().unwrap();
    }
    Some((driver, port?))
}

impl Browser {
    /// Opens a browser on a screen as wide as a telephone's.
    pub(crate) fn open() -> Self {
        let (driver, port) = (0..ATTEMPTS).find_map(|_| start()).expect("chromedriver listens");
        let mut browser = Self { driver, port, session: String::new() };
        let options = json!({
            "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
            "mobileEmulation": { "deviceMetrics": { "width": 390, "height": 844, "pixelRatio": 2 } },
        });
        let capabilities = json!({
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let opened =
            browser.send("POST", "", json!({ "capabilities": { "alwaysMatch": capabilities } }));
        browser.session = format!("/{}", opened["sessionId"].as_str().unwrap());
        browser
    }

    pub(crate) fn go(&self, address: &str) {
        self.send("POST", "/url", json!({ "url": address }));
    }

    /// Where it is.
    pub(crate) fn address(&self) -> String {
        self.send("GET", "/url", Value::Null).as_str().unwrap().to_owned()
    }

    /// What is to be read on the page.
    pub(crate) fn text(&self) -> String {
        let body = self.find("body");
        self.send("GET", &format!("/element/{body}/text"), Value::Null).as_str().unwrap().to_owned()
    }

    /// Types into a field, in the place of what is there.
    pub(crate) fn fill(&self, name: &str, text: &str) {
        let field = self.find(&format!("input[name={name}]"));
        self.send("POST", &format!("/element/{field}/clear"), json!({}));
        self.send("POST", &format!("/element/{field}/value"), json!({ "text": text }));
    }

    /// Clicks on what a selector of CSS finds, and waits for the page that it leads to.
    pub(crate) fn click(&self, selector: &str) {
        let (page, element) = (self.find("html"), self.find(selector));
        self.send("POST", &format!("/element/{element}/click"), json!({}));
        for _ in 0..PATIENCE.as_millis() / PAUSE.as_millis() {
            let is_there = "return document.readyState";
            let script = json!({ "script": is_there, "args": [] });
            let state = self.try_send("POST", "/execute/sync", &script);
            let now = self.try_find("html");
            if now.is_ok_and(|now| now != page) && state.is_ok_and(|state| state == "complete") {
                return;
            }
            std::thread::sleep(PAUSE);
        }
        panic!("{selector} leads nowhere");
    }

    pub(crate) fn forget_cookies(&self) {
        self.send("DELETE", "/cookie", Value::Null);
    }

    /// What the browser complained about since the last call.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let entries = self.send("POST", "/se/log", json!({ "type": "browser" }));
        let entries = entries.as_array().unwrap().iter();
        entries.map(|entry| entry["message"].as_str().unwrap().to_owned()).collect()
    }

    /// Runs a script, as the driver may.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.send("POST", "/execute/sync", json!({ "script": script, "args": [] }))
    }

    /// Takes a picture of the page.
    pub(crate) fn picture(&self, path: &Path) {
        let png = self.send("GET", "/screenshot", Value::Null);
        let png = data_encoding::BASE64.decode(png.as_str().unwrap().as_bytes()).unwrap();
        std::fs::write(path, png).unwrap();
    }

    fn find(&self, selector: &str) -> String {
        self.try_find(selector).unwrap()
    }

    fn try_find(&self, selector: &str) -> Result<String, String> {
        let query = json!({ "using": "css selector", "value": selector });
        let found = self.try_send("POST", "/element", &query)?;
        let id = found.as_object().unwrap().values().next().unwrap();
        Ok(id.as_str().unwrap().to_owned())
    }

    fn send(&self, method: &str, path: &str, body: Value) -> Value {
        self.try_send(method, path, &body).unwrap()
    }

    /// Gives what the driver says against it.
    fn try_send(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let broken = |error: io::Error| format!("{method} {path}: {error}");
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).map_err(broken)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(broken)?;
        let body = if body.is_null() { String::new() } else { body.to_string() };
        write!(
            stream,
            "{method} /session{}{path} HTTP/1.1\r\nHost: localhost\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.session,
            body.len(),
        )
        .map_err(broken)?;
        let (head, body) = read(stream).map_err(broken)?;
        let body: Value = serde_json::from_slice(&body).unwrap();
        if head.starts_with("http/1.1 200") {
            return Ok(body["value"].clone());
        }
        Err(format!("{method} {path}: {}", body["value"]["message"]))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver would leave its browser behind.
        let _ = self.try_send("DELETE", "", &Value::Null);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// Reads an answer, up to the length that it names: the driver keeps connections open.
fn read(stream: TcpStream) -> io::Result<(String, Vec<u8>)> {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let head = head.to_lowercase();
    let length = head.split_once("content-length:").and_then(|(_, rest)| rest.lines().next());
    let length = length.and_then(|length| length.trim().parse().ok());
    let mut body = vec![0; length.ok_or(io::ErrorKind::InvalidData)?];
    stream.read_exact(&mut body)?;
    Ok((head, body))
}

/// How often the driver may find its port taken.
const ATTEMPTS: usize = 20;
const PAUSE: Duration = Duration::from_millis(20);
/// A busy machine is slow to open a browser.
const PATIENCE: Duration = Duration::from_secs(300);
