//! A certificate authority of one test, and the good and bad certificates of a server called
//! `localhost`. Made by the `openssl` command.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::common::{Scratch, text};

/// What is wrong with a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certificate {
    /// Nothing.
    Good,
    /// Its time is over.
    Expired,
    /// It is that of another server.
    WrongName,
    /// Nobody vouches for it.
    SelfSigned,
}

/// The authority.
pub struct Authority {
    scratch: Scratch,
}

impl Authority {
    pub fn new() -> Self {
        let authority = Self { scratch: Scratch::new("authority") };
        authority.openssl(&["req", "-x509", "-days", "2", "-subj", "/CN=authority of a test"], "ca");
        authority
    }

    /// The certificate that a client has to trust.
    pub fn certificate(&self) -> PathBuf {
        self.scratch.file("ca.pem")
    }

    /// What a server with such a certificate is set up with.
    pub fn server(&self, certificate: Certificate) -> Arc<ServerConfig> {
        let name = format!("{certificate:?}");
        let host = if certificate == Certificate::WrongName { "DNS:elsewhere.example" } else { "DNS:localhost" };
        let subject = ["-subj", "/CN=server of a test", "-addext", &format!("subjectAltName={host}")];
        match certificate {
            Certificate::SelfSigned => self.openssl(&[&["req", "-x509", "-days", "2"][..], &subject].concat(), &name),
            _ => {
                self.openssl(&[&["req"][..], &subject].concat(), &name);
                let until = if certificate == Certificate::Expired { "20200201000000Z" } else { "20991231000000Z" };
                self.sign(&name, until);
            }
        }
        let chain = CertificateDer::from_pem_file(self.scratch.file(&format!("{name}.pem"))).unwrap();
        let key = PrivateKeyDer::from_pem_file(self.scratch.file(&format!("{name}.key"))).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![chain], key)
            .unwrap();
        Arc::new(config)
    }

    /// Makes a key, and a certificate or a request for one.
    fn openssl(&self, arguments: &[&str], name: &str) {
        let (key, out) = (self.scratch.file(&format!("{name}.key")), self.scratch.file(&format!("{name}.pem")));
        let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        run(&[arguments, &curve, &["-keyout", text(&key), "-out", text(&out)]].concat());
    }

    /// Turns the request into a certificate that is good from 2020 until this day. `openssl x509`
    /// cannot date one back, `openssl ca` can.
    fn sign(&self, name: &str, until: &str) {
        let file = |name: &str| self.scratch.file(name);
        let folder = self.scratch.path().display();
        let settings = format!(
            "[ca]\ndefault_ca = only\n[only]\ndatabase = {folder}/index.txt\nnew_certs_dir = {folder}\npolicy = any\n\
             copy_extensions = copy\ndefault_md = sha256\nunique_subject = no\nrand_serial = yes\n[any]\ncommonName = supplied\n"
        );
        let (settings, index) = (self.scratch.write("ca.cnf", settings), file("index.txt"));
        if !index.exists() {
            self.scratch.write("index.txt", "");
        }
        let (request, out) = (file(&format!("{name}.pem")), file(&format!("{name}.signed")));
        let (ca, key) = (file("ca.pem"), file("ca.key"));
        let signed_by = ["-config", text(&settings), "-cert", text(&ca), "-keyfile", text(&key)];
        let files = ["-in", text(&request), "-out", text(&out), "-startdate", "20200101000000Z", "-enddate", until];
        run(&[&["ca", "-batch", "-notext"][..], &signed_by, &files].concat());
        std::fs::rename(out, request).unwrap();
    }
}

fn run(arguments: &[&str]) {
    let output = Command::new("openssl").args(arguments).output().expect("these tests need the openssl command");
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}
