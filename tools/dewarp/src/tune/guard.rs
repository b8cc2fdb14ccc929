// SPDX-License-Identifier: GPL-2.0
//! Decides which requests are answered: those of pages from this server's own address. On an
//! address that other machines reach, they must have the token.

use std::io::Read;
use std::net::SocketAddr;

use dewarp::{Error, Result};

use super::http::{Head, Response};

/// The conditions that a request must meet.
pub struct Guard {
    address: SocketAddr,
    /// The first part of every path, if other machines reach the address.
    token: Option<String>,
}

impl Guard {
    /// Creates the conditions for a server at this address.
    pub fn new(address: SocketAddr) -> Result<Self> {
        let token = match address.ip().is_loopback() {
            true => None,
            false => Some(random()?),
        };
        Ok(Guard { address, token })
    }

    /// Returns the URL to open in a browser.
    pub fn url(&self) -> String {
        match &self.token {
            Some(token) => format!("http://{}/{token}/", self.address),
            None => format!("http://{}/", self.address),
        }
    }

    /// Returns the path that a request asks for, or the response that refuses it.
    pub fn admit<'a>(&self, head: &'a Head) -> std::result::Result<&'a str, Response> {
        if !self.is_ours(&head.host) {
            return Err(Response::text(421, &self.how_to_open()));
        }
        if let Some(origin) = &head.origin
            && origin.strip_prefix("http://") != Some(&head.host)
        {
            return Err(Response::text(
                403,
                "a page of another origin asks for this",
            ));
        }
        let path = head.path.strip_prefix('/').unwrap_or_default();
        let Some(token) = &self.token else {
            return Ok(path);
        };
        match path.split_once('/') {
            Some((given, rest)) if same(given, token) => Ok(rest),
            _ => Err(Response::text(
                403,
                "the address of the page has a token, which this one has not: see what dewarp printed",
            )),
        }
    }

    fn how_to_open(&self) -> String {
        let port = self.address.port();
        match self.address.ip().is_unspecified() {
            true => {
                format!("open the page by this machine's IP address and port {port}, not by a name")
            }
            false => format!("open the page by its address, http://{}/", self.address),
        }
    }

    /// Returns whether a request's Host is this server. A name that someone else has pointed to
    /// this machine is not.
    fn is_ours(&self, host: &str) -> bool {
        let port = self.address.port();
        // Browsers leave out port 80.
        let whole = match port {
            80 => format!("{}:80", host.strip_suffix(":80").unwrap_or(host)),
            _ => host.to_owned(),
        };
        if whole == format!("localhost:{port}") {
            return self.address.ip().is_loopback();
        }
        whole.parse::<SocketAddr>().is_ok_and(|given| {
            given == self.address || self.address.ip().is_unspecified() && given.port() == port
        })
    }
}

/// Returns 128 random bits in hexadecimal, which cannot be guessed.
fn random() -> Result<String> {
    let mut bytes = [0; 16];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|error| Error::failed(format!("cannot make a token: /dev/urandom: {error}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Returns whether two texts are the same. Its time does not depend on where they differ.
fn same(given: &str, token: &str) -> bool {
    let differ = given
        .bytes()
        .zip(token.bytes())
        .fold(0, |all, (a, b)| all | (a ^ b));
    given.len() == token.len() && differ == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(host: &str, origin: Option<&str>, path: &str) -> Head {
        Head {
            host: host.into(),
            origin: origin.map(str::to_owned),
            path: path.into(),
            ..Head::default()
        }
    }

    #[test]
    fn the_loopback_address_admits_its_own_pages() {
        let guard = Guard::new("127.0.0.1:8100".parse().unwrap()).unwrap();
        let ask = |host, origin| {
            let asked = guard
                .admit(&head(host, origin, "/check"))
                .map(str::to_owned);
            asked.map_err(|no| no.status)
        };
        assert_eq!(ask("127.0.0.1:8100", None), Ok("check".into()));
        assert!(ask("localhost:8100", Some("http://localhost:8100")).is_ok());
        for host in [
            "",
            "127.0.0.1",
            "127.0.0.1:81",
            "evil.example:8100",
            "127.0.0.2:8100",
        ] {
            assert_eq!(ask(host, None), Err(421), "{host}");
        }
        for origin in [
            "null",
            "http://evil.example",
            "https://127.0.0.1:8100",
            "http://localhost:8100",
        ] {
            assert_eq!(ask("127.0.0.1:8100", Some(origin)), Err(403), "{origin}");
        }
    }

    #[test]
    fn another_address_takes_the_whole_token() {
        let guard = Guard::new("0.0.0.0:8100".parse().unwrap()).unwrap();
        let token = guard.token.clone().unwrap();
        assert_eq!(token.len(), 32);
        assert_eq!(guard.url(), format!("http://0.0.0.0:8100/{token}/"));
        let ask = |host, path: &str| match guard.admit(&head(host, None, path)) {
            Ok(rest) => Ok(rest.to_owned()),
            Err(no) => Err(no.status),
        };
        let board = "192.168.7.2:8100";
        assert_eq!(ask(board, &format!("/{token}/check")), Ok("check".into()));
        assert_eq!(ask(board, &format!("/{token}/")), Ok(String::new()));
        for path in [
            "/",
            "/check",
            &format!("/{token}"),
            &format!("/{}/", &token[1..]),
        ] {
            assert_eq!(ask(board, path), Err(403), "{path}");
        }
        assert_eq!(ask(board, &format!("/{token}0/")), Err(403));
        assert_eq!(ask("board.example:8100", &format!("/{token}/")), Err(421));
    }

    #[test]
    fn port_80_may_be_left_out() {
        let admits = |address: &str, host: &str| {
            let guard = Guard::new(address.parse().unwrap()).unwrap();
            guard.is_ours(host)
        };
        for host in ["127.0.0.1", "127.0.0.1:80", "localhost", "localhost:80"] {
            assert!(admits("127.0.0.1:80", host), "{host}");
            assert!(!admits("127.0.0.1:8100", host), "{host}");
        }
        assert!(admits("[::1]:80", "[::1]"));
        assert!(admits("0.0.0.0:80", "192.168.7.2"));
        assert!(!admits("127.0.0.1:80", "evil.example"));
        assert!(!admits("127.0.0.1:80", "127.0.0.1:8100"));
    }
}
