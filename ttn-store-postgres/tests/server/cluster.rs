//! A PostgreSQL server of a test's own: a temporary directory, a Unix socket, an unprivileged user.

use std::{
    env, fs,
    os::unix::{fs::MetadataExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use tempfile::TempDir;

/// The number in the socket's name; the directory keeps servers apart.
const PORT: &str = "5432";
const USER: &str = "ttn";

/// A server. Dropping it ends it and removes its data.
pub(crate) struct Cluster {
    bin: PathBuf,
    directory: TempDir,
    account: Option<Account>,
    postmaster: Option<Child>,
}

/// Who runs the server: it refuses to run as root.
#[derive(Clone, Copy)]
struct Account {
    uid: u32,
    gid: u32,
}

/// Where `initdb` and `postgres` are: as `pg_config` says, or in Debian's folder of the newest version.
pub(crate) fn bin() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").stderr(Stdio::null()).output();
    let said = output.ok().filter(|output| output.status.success());
    let said = said.and_then(|output| String::from_utf8(output.stdout).ok());
    let mut places: Vec<PathBuf> =
        said.map(|text| PathBuf::from(text.trim())).into_iter().collect();
    let mut versions: Vec<(u32, PathBuf)> = Vec::new();
    for entry in fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten() {
        let version = entry.file_name().to_str().and_then(|name| name.parse().ok());
        versions.extend(version.map(|version| (version, entry.path().join("bin"))));
    }
    versions.sort();
    places.extend(versions.into_iter().rev().map(|(_, path)| path));
    let path = env::var_os("PATH").unwrap_or_default();
    places.extend(env::split_paths(&path));
    let is_whole = |place: &PathBuf| {
        ["initdb", "postgres", "createdb", "pg_isready"].iter().all(|it| place.join(it).is_file())
    };
    places.into_iter().find(is_whole)
}

impl Cluster {
    /// Makes a server and starts it.
    pub(crate) fn start() -> Self {
        let bin = bin().expect("PostgreSQL is installed");
        let directory = tempfile::tempdir().unwrap();
        let is_root = fs::metadata("/proc/self").is_ok_and(|it| it.uid() == 0);
        let account = is_root.then(|| account().expect("there is a user `postgres` or `nobody`"));
        if let Some(Account { uid, gid }) = account {
            std::os::unix::fs::chown(directory.path(), Some(uid), Some(gid)).unwrap();
        }
        let mut cluster = Self { bin, directory, account, postmaster: None };
        let data = cluster.data();
        let data = data.to_str().unwrap();
        let output = cluster
            .as_account("initdb")
            .args(["-D", data, "-U", USER, "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        cluster.start_again();
        cluster
    }

    /// Starts a server that was stopped.
    pub(crate) fn start_again(&mut self) {
        let data = self.data();
        let mut command = self.as_account("postgres");
        command.arg("-D").arg(data).args(["-p", PORT, "-k"]).arg(self.directory.path());
        // No network; room for many stores at once.
        command.args(["-c", "listen_addresses=", "-c", "max_connections=300"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        self.postmaster = Some(command.spawn().unwrap());
        for _ in 0..600 {
            if self.is_ready() {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("the server does not start");
    }

    /// Ends it at once, as a crash does: connections break, nothing is finished.
    pub(crate) fn crash(&mut self) {
        self.end("-QUIT");
    }

    /// Ends it in order: connections are told.
    #[allow(dead_code, reason = "not every test binary needs it")]
    pub(crate) fn stop(&mut self) {
        self.end("-INT");
    }

    /// Lets it answer nothing, until it is resumed.
    #[allow(dead_code, reason = "not every test binary needs it")]
    pub(crate) fn pause(&mut self) {
        self.signal_all("-STOP");
    }

    /// Lets it go on.
    #[allow(dead_code, reason = "not every test binary needs it")]
    pub(crate) fn resume(&mut self) {
        self.signal_all("-CONT");
    }

    /// Signals the server and the processes that it has started.
    fn signal_all(&self, signal: &str) {
        let id = self.postmaster.as_ref().expect("it runs").id().to_string();
        // It first: then it starts no more of them.
        Command::new("kill").args([signal, &id]).status().unwrap();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        Command::new("kill").arg(signal).args(children.split_whitespace()).status().unwrap();
    }

    fn end(&mut self, signal: &str) {
        if let Some(mut postmaster) = self.postmaster.take() {
            let id = postmaster.id().to_string();
            // It may have been paused.
            Command::new("kill").args(["-CONT", &id]).status().unwrap();
            Command::new("kill").args([signal, &id]).status().unwrap();
            postmaster.wait().unwrap();
        }
    }

    /// Makes a database and gives its URL.
    pub(crate) fn database(&self, name: &str) -> String {
        let made = Command::new(self.bin.join("createdb"))
            .arg("-h")
            .arg(self.directory.path())
            .args(["-p", PORT, "-U", USER, name])
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        self.url(name)
    }

    /// The URL of a database.
    pub(crate) fn url(&self, name: &str) -> String {
        url_of(self.directory.path(), name)
    }

    /// The path of the socket.
    #[allow(dead_code, reason = "not every test binary needs it")]
    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join(socket_name())
    }

    fn is_ready(&self) -> bool {
        let mut command = Command::new(self.bin.join("pg_isready"));
        command.arg("-q").arg("-h").arg(self.directory.path()).args(["-p", PORT]);
        command.status().is_ok_and(|status| status.success())
    }

    fn as_account(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command.current_dir(self.directory.path()).stdin(Stdio::null());
        if let Some(Account { uid, gid }) = self.account {
            command.uid(uid).gid(gid);
        }
        command
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.crash();
    }
}

/// The URL of a database behind the socket in a directory.
pub(crate) fn url_of(directory: &Path, name: &str) -> String {
    format!("postgres:///{name}?host={}&port={PORT}&user={USER}", directory.display())
}

/// How servers call their socket.
pub(crate) fn socket_name() -> String {
    format!(".s.PGSQL.{PORT}")
}

fn account() -> Option<Account> {
    let users = fs::read_to_string("/etc/passwd").ok()?;
    ["postgres", "nobody"].iter().find_map(|name| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some(Account { uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()? })
    })
}
