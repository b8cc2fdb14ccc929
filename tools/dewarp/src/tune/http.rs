// SPDX-License-Identifier: GPL-2.0
//! HTTP/1.1 over TCP for a few browsers. Every length and every wait has a limit. `httparse` parses
//! the heads; an [`Answer`] gives the responses.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The largest head of a request, in bytes.
const MOST_HEAD: usize = 8192;

/// The largest number of header fields in a request.
const MOST_FIELDS: usize = 64;

/// The largest body of a request, in bytes. The page sends some hundred.
const MOST_BODY: usize = 16384;

/// The largest number of connections at a time. A browser opens six.
const MOST_CONNECTIONS: usize = 32;

/// The time limit for a request to arrive, and for a response to be sent.
const PATIENCE: Duration = Duration::from_secs(20);

/// The head of a request.
#[derive(Debug, Default, PartialEq)]
pub struct Head {
    pub method: String,
    pub path: String,
    pub host: String,
    pub origin: Option<String>,
    pub length: usize,
    pub last: bool,
}

/// A response.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    /// The media type of the body.
    pub kind: &'static str,
    pub body: Vec<u8>,
}

impl Response {
    /// Creates a response with a sentence.
    pub fn text(status: u16, text: &str) -> Self {
        Response {
            status,
            kind: "text/plain; charset=utf-8",
            body: format!("{text}\n").into_bytes(),
        }
    }
}

/// Answers requests.
pub trait Answer: Sync {
    /// Returns an error response if the request is refused. It is called before the body is read.
    fn admit(&self, head: &Head) -> Result<(), Response>;

    /// Returns the response.
    fn answer(&self, head: &Head, body: &[u8]) -> Response;
}

/// The place of an open connection. It is free again after the drop.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Serves requests until the program ends.
pub fn serve(listener: &TcpListener, answer: &impl Answer) {
    let open = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for stream in listener.incoming() {
            let Ok(stream) = stream else {
                // Most likely the process has no free file descriptor; some will be closed.
                std::thread::sleep(Duration::from_millis(100));
                continue;
            };
            let is_full = open.fetch_add(1, Ordering::Relaxed) >= MOST_CONNECTIONS;
            let place = Place(&open);
            if is_full {
                continue;
            }
            // If no thread can be started, the connection is closed and the server continues.
            let _ = std::thread::Builder::new().spawn_scoped(scope, move || {
                let _place = place;
                // A broken connection is not an error of the server.
                let _ = connection(stream, answer);
            });
        }
    });
}

/// Answers the requests of a connection, one after the other.
fn connection(mut stream: TcpStream, answer: &impl Answer) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut bytes = Vec::new();
    loop {
        let until = Instant::now() + PATIENCE;
        let (head, end) = loop {
            match head(&bytes) {
                Ok(Some(found)) => break found,
                Ok(None) if !more(&mut stream, &mut bytes, until)? => return Ok(()),
                Ok(None) => {}
                Err(response) => return finish(&mut stream, &response),
            }
        };
        if let Err(response) = answer.admit(&head) {
            return finish(&mut stream, &response);
        }
        if head.length > MOST_BODY {
            let why = format!("a body has {MOST_BODY} bytes at most");
            return finish(&mut stream, &Response::text(413, &why));
        }
        bytes.drain(..end);
        while bytes.len() < head.length {
            if !more(&mut stream, &mut bytes, until)? {
                return Ok(());
            }
        }
        let response = answer.answer(&head, &bytes[..head.length]);
        bytes.drain(..head.length);
        write(&mut stream, &response, head.last)?;
        if head.last {
            return Ok(());
        }
    }
}

/// Reads the bytes that have arrived. Returns `false` at the end of the stream or of the time.
fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>, until: Instant) -> std::io::Result<bool> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Ok(false);
    }
    stream.set_read_timeout(Some(left))?;
    let mut part = [0; 4096];
    let count = stream.read(&mut part)?;
    bytes.extend_from_slice(&part[..count]);
    Ok(count > 0)
}

/// Parses a request's head. Returns the head and its length, `None` if it is not complete, or the
/// error response.
fn head(bytes: &[u8]) -> Result<Option<(Head, usize)>, Response> {
    let wrong = |why: &str| Response::text(400, why);
    let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    let end = match request.parse(bytes) {
        Ok(httparse::Status::Complete(end)) if end <= MOST_HEAD => end,
        Ok(httparse::Status::Partial) if bytes.len() < MOST_HEAD => return Ok(None),
        Ok(_) => return Err(Response::text(431, "the head of the request is too long")),
        Err(error) => return Err(wrong(&format!("this is no request: {error}"))),
    };
    let field = |name: &str| {
        let mut all = request
            .headers
            .iter()
            .filter(|field| field.name.eq_ignore_ascii_case(name));
        let first = all.next().map(|field| std::str::from_utf8(field.value));
        match (first, all.next()) {
            (_, Some(_)) => Err(wrong(&format!("{name} is given twice"))),
            (Some(Err(_)), _) => Err(wrong(&format!("{name} is no text"))),
            (Some(Ok(text)), None) => Ok(Some(text.trim().to_owned())),
            (None, None) => Ok(None),
        }
    };
    if field("transfer-encoding")?.is_some() {
        return Err(Response::text(411, "a body needs Content-Length"));
    }
    let length = match field("content-length")? {
        None => 0,
        Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            // A length that does not fit the type exceeds the limit as well.
            text.parse().unwrap_or(usize::MAX)
        }
        Some(_) => return Err(wrong("Content-Length is no number")),
    };
    let close = field("connection")?.is_some_and(|text| text.eq_ignore_ascii_case("close"));
    let head = Head {
        method: request.method.unwrap_or_default().to_owned(),
        path: request.path.unwrap_or_default().to_owned(),
        host: field("host")?.unwrap_or_default(),
        origin: field("origin")?,
        length,
        last: close || request.version != Some(1),
    };
    Ok(Some((head, end)))
}

/// Sends the last response of a connection.
fn finish(stream: &mut TcpStream, response: &Response) -> std::io::Result<()> {
    write(stream, response, true)?;
    // If the connection were closed with unread bytes, it would be reset and the response could be
    // lost.
    stream.shutdown(std::net::Shutdown::Write)?;
    let until = Instant::now() + Duration::from_secs(1);
    let mut bytes = Vec::new();
    while more(stream, &mut bytes, until)? {
        bytes.clear();
    }
    Ok(())
}

fn write(stream: &mut TcpStream, response: &Response, last: bool) -> std::io::Result<()> {
    let Response { status, kind, body } = response;
    let head = format!(
        "HTTP/1.1 {status} {}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: {}\r\n\
         Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: same-origin\r\n\
         Cross-Origin-Resource-Policy: same-origin\r\nContent-Security-Policy: default-src 'none'; \
         script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'\r\n\r\n",
        match status {
            200 => "OK",
            _ => "Refused",
        },
        body.len(),
        if last { "close" } else { "keep-alive" },
    );
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(body);
    stream.write_all(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> u16 {
        head(text.as_bytes()).unwrap_err().status
    }

    #[test]
    fn a_head_is_read_when_all_of_it_is_there() {
        let text = "POST /check HTTP/1.1\r\nhost: a:1\r\nOrigin: http://a:1\r\nContent-Length: 2\r\n\r\n{}";
        for cut in 0..text.len() - 2 {
            assert!(matches!(head(&text.as_bytes()[..cut]), Ok(None)), "{cut}");
        }
        let (read, end) = head(text.as_bytes()).unwrap().unwrap();
        let right = Head {
            method: "POST".into(),
            path: "/check".into(),
            host: "a:1".into(),
            origin: Some("http://a:1".into()),
            length: 2,
            last: false,
        };
        assert_eq!((read, end), (right, text.len() - 2));
    }

    #[test]
    fn what_two_readers_could_read_in_two_ways_is_refused() {
        let with = |fields: &str| refused(&format!("POST / HTTP/1.1\r\n{fields}\r\n\r\n"));
        assert_eq!(with("Host: a\r\nHost: b"), 400);
        assert_eq!(with("Content-Length: 1\r\nContent-Length: 1"), 400);
        assert_eq!(with("Content-Length: +1"), 400);
        assert_eq!(with("Transfer-Encoding: chunked"), 411);
        assert_eq!(refused("no request\r\n\r\n"), 400);
        assert_eq!(
            refused(&format!("GET /{} HTTP/1.1\r\n", "a".repeat(MOST_HEAD))),
            431
        );
    }
}
