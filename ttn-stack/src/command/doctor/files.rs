//! Who may read the data, and whether the key that wraps keys at rest is there.

use std::path::Path;

use super::Finding;
use crate::{compose::tls, config::Config};

pub(super) fn check(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    if config.data.is_dir() {
        findings.push(readable_by_others("files", &config.data, "700"));
    }
    let kek = config.kek_path();
    if kek.is_file() {
        findings.push(readable_by_others("kek", &kek, "600"));
    } else if config.data.join("FORMAT").is_file() {
        findings.push(Finding::error(
            "kek",
            format!("{}, the key that wraps all keys of the store, is not there", kek.display()),
            "bring it back from the backup, or name it with --kek-file; a start makes a new one, \
             which does not open what is stored",
        ));
    } else {
        findings
            .push(Finding::fine("kek", "the first start makes the key that wraps keys at rest"));
    }
    if let Err(error) = tls::check(config) {
        let fix = "put certificate and key in their files again; a running server goes on with the old ones";
        findings.push(Finding::error("tls", error.to_string(), fix));
    } else if let Some(key) = &config.tls.key {
        findings.push(readable_by_others("tls", key, "600"));
    }
    findings
}

#[cfg(unix)]
fn readable_by_others(check: &'static str, path: &Path, right: &str) -> Finding {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = match path.metadata() {
        Ok(metadata) => metadata,
        Err(error) => {
            let text = format!("{} cannot be looked at: {error}", path.display());
            return Finding::error(check, text, "run the doctor as the user of the server");
        }
    };
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 {
        let text = format!("others can get into {} (mode {mode:03o})", path.display());
        return Finding::error(check, text, format!("run `chmod {right} {}`", path.display()));
    }
    // The directory of a process belongs to the user that it runs as.
    let user = Path::new("/proc/self").metadata().map(|it| it.uid()).ok();
    if user.is_some_and(|user| user != metadata.uid() && user != 0) {
        let text = format!("{} belongs to user {}, not to you", path.display(), metadata.uid());
        return Finding::error(check, text, "run server and doctor as one user, or chown the data");
    }
    Finding::fine(check, format!("{} is closed to others (mode {mode:03o})", path.display()))
}

#[cfg(not(unix))]
fn readable_by_others(check: &'static str, path: &Path, _: &str) -> Finding {
    let text = format!("{}: rights are not checked on this system", path.display());
    Finding::skipped(check, text, "let nobody but the server read it")
}

#[cfg(all(test, unix))]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;
    use crate::command::doctor::Severity;

    #[test]
    fn a_certificate_that_is_none_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let mut config = Config { data: directory.path().join("data"), ..Config::default() };
        let file = directory.path().join("file.pem");
        fs::write(&file, "no PEM").unwrap();
        config.tls.certificate = Some(file.clone());
        config.tls.key = Some(file);
        let findings = check(&config);
        let finding = findings.iter().find(|it| it.check == "tls").unwrap();
        assert_eq!(finding.severity, Severity::Error);
        assert!(finding.text.contains("tls.certificate"), "{finding:?}");
    }

    #[test]
    fn open_directories_and_keys_and_a_lost_key_are_found() {
        let directory = tempfile::tempdir().unwrap();
        let config = Config { data: directory.path().join("data"), ..Config::default() };
        assert!(check(&config).iter().all(|it| it.severity == Severity::Fine));
        fs::create_dir(&config.data).unwrap();
        fs::write(config.data.join("FORMAT"), "x").unwrap();
        let mode = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        mode(&config.data, 0o755);
        let findings = check(&config);
        assert!(findings[0].fix.contains("chmod 700"), "{findings:?}");
        assert!(findings[1].text.contains("is not there"), "{findings:?}");
        mode(&config.data, 0o700);
        fs::write(config.kek_path(), "k").unwrap();
        mode(&config.kek_path(), 0o644);
        let findings = check(&config);
        assert_eq!(findings[0].severity, Severity::Fine);
        assert!(findings[1].fix.contains("chmod 600"), "{findings:?}");
        mode(&config.kek_path(), 0o600);
        assert!(check(&config).iter().all(|it| it.severity == Severity::Fine));
    }
}
