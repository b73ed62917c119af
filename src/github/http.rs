//! The HTTP client below everything: octocrab runs on it, signed URLs go through it directly.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use reqwest::redirect;

/// The longest a connection may take to open.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// The longest silence within an answer.
const SILENCE_LIMIT: Duration = Duration::from_secs(30);
/// A client with our time limits, the proxies of the environment, certificates of the
/// system (`SSL_CERT_FILE` too) beside the embedded ones, and no redirect to another origin.
pub(crate) fn http_client() -> anyhow::Result<reqwest::Client> {
    let mut roots = rustls::RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .context("TLS could not be set up")?
    .with_root_certificates(roots)
    .with_no_client_auth();
    let same_origin = redirect::Policy::custom(|attempt| {
        let stays = attempt
            .previous()
            .first()
            .is_some_and(|first| first.origin() == attempt.url().origin());
        if stays && attempt.previous().len() <= 3 {
            attempt.follow()
        } else {
            attempt.stop()
        }
    });
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(same_origin)
        .referer(false)
        .connect_timeout(CONNECT_LIMIT)
        .read_timeout(SILENCE_LIMIT)
        .user_agent(concat!("parallel-pytest/", env!("CARGO_PKG_VERSION")))
        .build()
        .context("the HTTP client could not be built")
}
