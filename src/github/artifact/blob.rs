//! Signed URLs of the blob store: a zip up in blocks, a zip down in one piece. They carry their own
//! permission, so no token is sent, and they are never shown.
//!
//! Blocks: <https://learn.microsoft.com/en-us/rest/api/storageservices/put-block>.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Client, Url};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use tokio::io::AsyncReadExt;

use super::pack::Packed;
use super::patience::{Patience, Trouble};

/// In bytes; what GitHub's own client sends.
const BLOCK: usize = 8 << 20;
/// The longest the transfer of one block, or of a whole download, may take.
const BLOCK_LIMIT: Duration = Duration::from_mins(2);
const DOWNLOAD_LIMIT: Duration = Duration::from_mins(10);
/// Of one download, in bytes as they come.
const DOWNLOAD_CAP: u64 = 1 << 30;
const MAX_REDIRECTS: usize = 3;

/// A zip that came down, in a temporary file that disappears with it.
#[derive(Debug)]
pub(crate) struct Downloaded {
    pub(crate) file: NamedTempFile,
    /// In hex.
    pub(crate) sha256: String,
}

/// Which places a signed URL may lead to, given where it came from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    https_only: bool,
    private: bool,
}

impl Reach {
    pub(super) fn from(origin: &Url) -> Self {
        Self {
            https_only: origin.scheme() == "https",
            private: is_private(origin),
        }
    }

    fn check(self, url: &Url) -> anyhow::Result<()> {
        let host = url.host_str().unwrap_or_default();
        match url.scheme() {
            "https" => {}
            "http" if !self.https_only => {}
            scheme => {
                return Err(anyhow!(
                    "a signed URL leads to {scheme}://{host}, only https is used"
                ));
            }
        }
        if is_private(url) && !self.private {
            return Err(anyhow!(
                "a signed URL leads into a private network, to {host}: it is not followed"
            ));
        }
        Ok(())
    }
}

/// An address that only this machine or its own network reaches.
fn is_private(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() else {
        return host == "localhost" || host.ends_with(".localhost");
    };
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_unspecified()
        }
        IpAddr::V6(v6) => {
            v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
        }
    }
}

/// Sends the zip. Returns its sha256 in hex.
pub(super) async fn upload(
    http: &Client,
    url: &str,
    packed: &Packed,
    reach: Reach,
    patience: Patience,
) -> anyhow::Result<String> {
    let url = Url::parse(url).context("the service gave no URL for the upload")?;
    reach.check(&url)?;
    let mut file = tokio::fs::File::from_std(packed.file.reopen()?);
    let (mut hash, mut blocks) = (Sha256::new(), String::new());
    for number in 0_u32.. {
        let mut block = Vec::with_capacity(BLOCK);
        (&mut file)
            .take(BLOCK as u64)
            .read_to_end(&mut block)
            .await
            .context("the packed files could not be read")?;
        if block.is_empty() {
            break;
        }
        hash.update(&block);
        // All ids of a blob must be of one length.
        let id = STANDARD.encode(format!("parallel-pytest-{number:08}"));
        let target = with_query(&url, &[("comp", "block"), ("blockid", &id)]);
        put(http, target, "application/octet-stream", block, patience)
            .await
            .context("uploading a block failed")?;
        let _ = write!(blocks, "<Latest>{id}</Latest>");
    }
    let list = format!("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>{blocks}</BlockList>");
    let target = with_query(&url, &[("comp", "blocklist")]);
    put(http, target, "application/xml", list.into_bytes(), patience)
        .await
        .context("completing the upload failed")?;
    Ok(hex(&hash.finalize()))
}

async fn put(
    http: &Client,
    url: Url,
    kind: &str,
    body: Vec<u8>,
    patience: Patience,
) -> anyhow::Result<()> {
    let send = async || {
        let answer = http
            .put(url.clone())
            .header("content-type", kind)
            .header("x-ms-blob-content-type", "application/zip")
            .timeout(BLOCK_LIMIT)
            .body(body.clone())
            .send()
            .await
            .map_err(Trouble::of_network)?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        Err(Trouble::of_status(
            status,
            &answer.text().await.unwrap_or_default(),
        ))
    };
    patience
        .persist("the upload", send)
        .await
        .map_err(Trouble::into_error)
}

/// Brings the zip behind a signed URL, whose sha256 must be `digest` (`sha256:…`) if there is one.
pub(super) async fn download(
    http: &Client,
    url: &str,
    digest: Option<&str>,
    reach: Reach,
    patience: Patience,
) -> Result<Downloaded, Trouble> {
    let url = Url::parse(url)
        .context("the service gave no URL for the download")
        .map_err(Trouble::Lasting)?;
    let downloaded = patience
        .persist("the download", async || get(http, url.clone(), reach).await)
        .await?;
    match digest.and_then(|digest| digest.strip_prefix("sha256:")) {
        Some(expected) if !expected.eq_ignore_ascii_case(&downloaded.sha256) => {
            Err(Trouble::Lasting(anyhow!(
                "its sha256 is {}, not {expected}: it was changed on the way",
                downloaded.sha256
            )))
        }
        _ => Ok(downloaded),
    }
}

async fn get(http: &Client, mut url: Url, reach: Reach) -> Result<Downloaded, Trouble> {
    for _ in 0..=MAX_REDIRECTS {
        reach.check(&url).map_err(Trouble::Lasting)?;
        let answer = http
            .get(url.clone())
            .timeout(DOWNLOAD_LIMIT)
            .send()
            .await
            .map_err(Trouble::of_network)?;
        let status = answer.status();
        if status.is_success() {
            return receive(answer).await;
        }
        if !status.is_redirection() {
            return Err(Trouble::of_status(
                status,
                &answer.text().await.unwrap_or_default(),
            ));
        }
        let location = answer
            .headers()
            .get("location")
            .and_then(|location| location.to_str().ok());
        url = location
            .and_then(|location| url.join(location).ok())
            .ok_or_else(|| Trouble::Lasting(anyhow!("a redirect leads nowhere")))?;
    }
    Err(Trouble::Lasting(anyhow!(
        "there are more than {MAX_REDIRECTS} redirects"
    )))
}

async fn receive(mut answer: reqwest::Response) -> Result<Downloaded, Trouble> {
    let lasting = |error: std::io::Error| {
        Trouble::Lasting(anyhow::Error::new(error).context("no temporary file could be written"))
    };
    let mut file = NamedTempFile::new().map_err(lasting)?;
    let (mut hash, mut size) = (Sha256::new(), 0);
    while let Some(chunk) = answer.chunk().await.map_err(Trouble::of_network)? {
        size += chunk.len() as u64;
        if size > DOWNLOAD_CAP {
            return Err(Trouble::Lasting(anyhow!(
                "it is larger than {} MiB, which is not read",
                DOWNLOAD_CAP >> 20
            )));
        }
        hash.update(&chunk);
        file.write_all(&chunk).map_err(lasting)?;
    }
    Ok(Downloaded {
        file,
        sha256: hex(&hash.finalize()),
    })
}

fn with_query(url: &Url, pairs: &[(&str, &str)]) -> Url {
    let mut url = url.clone();
    url.query_pairs_mut().extend_pairs(pairs);
    url
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;

    use wiremock::matchers::{any, path};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;
    use crate::github::http::http_client;

    const QUICK: Patience = Patience {
        tries: 3,
        first: Duration::from_millis(1),
    };

    async fn fetched(server: &MockServer, digest: Option<&str>) -> anyhow::Result<String> {
        let url = format!("{}/start?sig=secret", server.uri());
        let reach = Reach::from(&Url::parse(&server.uri())?);
        let downloaded = download(&http_client()?, &url, digest, reach, QUICK)
            .await
            .map_err(Trouble::into_error)?;
        Ok(fs_err::read_to_string(downloaded.file.path())?)
    }

    #[test]
    fn a_signed_url_leads_only_where_its_origin_would() {
        let may = |origin: &str, url: &str| {
            Reach::from(&Url::parse(origin).expect("a URL"))
                .check(&Url::parse(url).expect("a URL"))
                .is_ok()
        };
        assert!(may(
            "https://api.github.com",
            "https://store.blob.core.windows.net/x?sig=y"
        ));
        for url in [
            "http://store.blob.core.windows.net/x",
            "file:///etc/passwd",
            "https://127.0.0.1/x",
            "https://localhost/x",
            "https://10.0.0.8/x",
            "https://169.254.169.254/latest/meta-data",
            "https://[::1]/x",
            "https://[::ffff:169.254.169.254]/x",
            "https://[fd00::1]/x",
            "https://0x7f.1/x",
        ] {
            assert!(!may("https://api.github.com", url), "{url}");
        }
        assert!(may("http://127.0.0.1:4010", "http://127.0.0.1:4011/x"));
        assert!(may("https://10.1.1.1/api/v3", "https://10.1.1.2/x"));
    }

    #[tokio::test]
    async fn a_redirect_to_another_origin_is_followed_without_a_token() {
        let (home, away) = (MockServer::start().await, MockServer::start().await);
        let there = format!("{}/there", away.uri());
        Mock::given(any())
            .respond_with(ResponseTemplate::new(302).insert_header("location", there))
            .mount(&home)
            .await;
        Mock::given(path("/there"))
            .respond_with(ResponseTemplate::new(200).set_body_string("zip"))
            .mount(&away)
            .await;
        let digest = format!("sha256:{}", hex(&Sha256::digest("zip")));
        assert_eq!(fetched(&home, Some(&digest)).await.expect("brought"), "zip");
        let asked = away.received_requests().await.expect("recorded");
        assert!(
            asked[0].headers.get("authorization").is_none()
                && asked[0].headers.get("referer").is_none()
        );
        let error = fetched(&home, Some("sha256:00"))
            .await
            .expect_err("changed");
        assert!(
            error
                .to_string()
                .ends_with("not 00: it was changed on the way"),
            "{error:#}"
        );
    }

    #[tokio::test]
    async fn a_loop_of_redirects_ends() {
        let (one, other) = (MockServer::start().await, MockServer::start().await);
        for (from, to) in [(&one, &other), (&other, &one)] {
            let answer = ResponseTemplate::new(302).insert_header("location", to.uri());
            Mock::given(any()).respond_with(answer).mount(from).await;
        }
        let error = fetched(&one, None).await.expect_err("a loop");
        assert_eq!(error.to_string(), "there are more than 3 redirects");
    }

    #[tokio::test]
    async fn a_passing_failure_is_tried_again_and_a_lasting_one_is_not() {
        let server = MockServer::start().await;
        Mock::given(any())
            .respond_with(ResponseTemplate::new(503))
            .up_to_n_times(2)
            .with_priority(1)
            .mount(&server)
            .await;
        Mock::given(any())
            .respond_with(ResponseTemplate::new(200).set_body_string("zip"))
            .mount(&server)
            .await;
        assert_eq!(fetched(&server, None).await.expect("brought"), "zip");
        server.reset().await;
        Mock::given(any())
            .respond_with(ResponseTemplate::new(403).set_body_string("expired"))
            .expect(1)
            .mount(&server)
            .await;
        let error = fetched(&server, None).await.expect_err("refused");
        assert_eq!(error.to_string(), "403 Forbidden: expired");
    }

    #[tokio::test]
    async fn a_reset_connection_is_tried_again_and_the_url_is_not_shown() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = std::thread::spawn(move || {
            let mut tries = 0;
            for stream in listener.incoming().take(3) {
                // Closed before an answer.
                let _ = stream.expect("a connection").read(&mut [0; 16]);
                tries += 1;
            }
            tries
        });
        let url = format!("http://{address}/x?sig=secret");
        let reach = Reach::from(&Url::parse(&url).expect("a URL"));
        let result = download(&http_client().expect("a client"), &url, None, reach, QUICK).await;
        let error = result.expect_err("never an answer").into_error();
        assert!(!format!("{error:#}").contains("secret"), "{error:#}");
        assert_eq!(server.join().expect("ended"), 3);
    }
}
