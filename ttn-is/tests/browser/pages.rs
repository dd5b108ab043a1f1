//! What people do on the pages.

use std::path::PathBuf;

use crate::{
    driver::Browser,
    server::{PASSWORD, Server},
};

/// A person at his telephone.
struct Person {
    server: Server,
    browser: Browser,
}

impl Person {
    fn new() -> Self {
        Self { server: Server::start(), browser: Browser::open() }
    }

    fn go(&self, path: &str) {
        self.browser.go(&format!("{}{path}", self.server.base));
    }

    /// Looks at a page: it has a picture, fits the screen, needs no script, and the browser has nothing against it.
    fn look(&self, picture: &str, expected: &str) {
        let text = self.browser.text();
        assert!(text.contains(expected), "{picture}: {text}");
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("pages");
        std::fs::create_dir_all(&directory).unwrap();
        self.browser.picture(&directory.join(format!("{picture}.png")));
        let fits = "return document.documentElement.scrollWidth <= window.innerWidth";
        assert_eq!(self.browser.run(fits), true, "{picture} is wider than the screen");
        assert_eq!(self.browser.run("return document.scripts.length"), 0, "{picture} has scripts");
        let styled = "return getComputedStyle(document.body).marginTop";
        assert_eq!(self.browser.run(styled), "0px", "{picture} has no style");
        self.expect_no_complaints(picture);
    }

    /// A page may answer that something is wrong; that is told as the failure to load it.
    fn expect_no_complaints(&self, picture: &str) {
        let complaints = self.browser.complaints();
        let real: Vec<_> = complaints.iter().filter(|it| !it.contains("status of 4")).collect();
        assert!(real.is_empty(), "{picture}: {real:?}");
    }

    fn send(&self) {
        self.browser.click("form button");
    }

    fn log_in(&self, user: &str, password: &str) {
        self.browser.fill("user_id", user);
        self.browser.fill("password", password);
        self.send();
    }
}

// IS-43, IS-45
pub(crate) fn a_person_lets_a_client_and_his_browser_follows_back_to_it() {
    let person = Person::new();
    let (browser, server) = (&person.browser, &person.server);
    let ask = format!(
        "/oauth/authorize?response_type=code&client_id=my-app&state=st%26ate&redirect_uri={}",
        format!("{}/back", server.client).replace(':', "%3A").replace('/', "%2F")
    );
    person.go(&ask);
    person.look("login", "Log in");
    person.log_in("alice", PASSWORD);
    person.look("consent", "Tide Dashboard asks to act in your name, alice");
    browser.click("button[value=false]");
    let back = browser.address();
    assert!(back.starts_with(&format!("{}/back?error=access_denied", server.client)), "{back}");
    person.go(&ask);
    browser.click("button[value=true]");
    let back = browser.address();
    assert!(back.starts_with(&format!("{}/back?code=MF2XI.", server.client)), "{back}");
    assert!(back.ends_with("&state=st%26ate") && browser.text() == "The client has it.", "{back}");
    // He logs in anew, and his browser goes all the way at once.
    person.go("/oauth/login");
    browser.forget_cookies();
    person.go(&ask);
    person.log_in("alice@example.com", PASSWORD);
    assert_eq!(browser.text(), "The client has it.");
    person.expect_no_complaints("the way back");
    person.go("/oauth/authorize?response_type=code&client_id=cli&redirect_uri=code");
    person.look("consent-cli", "everything that you can do yourself");
    person.send();
    person.look("code", "MF2XI.");
}

// IS-34, IS-37, IS-40, IS-43
pub(crate) fn a_person_registers_validates_his_address_and_replaces_a_password() {
    let person = Person::new();
    let (browser, server) = (&person.browser, &person.server);
    person.go("/oauth/login");
    browser.click("a[href='/oauth/register']");
    person.look("register", "Register");
    browser.fill("user_id", "me");
    browser.fill("email", "me@example.com");
    browser.fill("new", PASSWORD);
    person.send();
    person.look("registered", "Your account is ready");
    person.log_in("me", PASSWORD);
    person.look("account", "me@example.com");
    browser.go(&server.mailed("validate"));
    person.look("validate", "Is this your address?");
    person.send();
    person.look("validated", "Thank you: it is yours.");
    browser.click("a[href='/oauth']");
    person.send();
    person.look("logged-out", "You are logged out.");
    browser.click("a[href='/oauth/forgot-password']");
    person.look("forgot", "Forgot your password?");
    browser.fill("user_id", "me@example.com");
    person.send();
    person.look("sent", "Look into your mail");
    browser.go(&server.mailed("temporary_password"));
    person.look("reset", "Choose a new password");
    browser.fill("user_id", "me");
    browser.fill("new", "Another-horse-2");
    person.send();
    person.look("changed", "Your password is changed.");
    person.log_in("me", "Another-horse-2");
    assert_eq!(browser.address(), format!("{}/oauth", server.base));
    browser.click("a[href='/oauth/update-password']");
    person.look("update", "Old or temporary password");
}

// IS-43
pub(crate) fn what_goes_wrong_is_told_on_the_page_where_it_did() {
    let person = Person::new();
    let browser = &person.browser;
    person.go("/oauth/login");
    person.log_in("alice", "wrong");
    person.look("login-wrong", "The user or the password is wrong.");
    person.go("/oauth/register");
    browser.fill("user_id", "alice");
    browser.fill("email", "new@example.com");
    browser.fill("new", "weak");
    person.send();
    person.look("register-wrong", "password");
    person.go("/oauth/update-password");
    browser.fill("user_id", "alice");
    browser.fill("current", "wrong");
    browser.fill("new", "Another-horse-2");
    person.send();
    person.look("update-wrong", "The old password is wrong.");
    person.go("/oauth/validate?reference=x&token=y");
    person.send();
    person.look("validate-wrong", "The link is not known");
    person.go("/oauth/authorize?client_id=nobody");
    person.look("no-client", "There is no such client");
    // The page was open for too long: its cookie is gone.
    person.go("/oauth/login");
    browser.forget_cookies();
    person.log_in("alice", PASSWORD);
    person.look("forged", "does not carry the token of the page");
}
