//! TLS for outbound connections: public roots, perhaps one more CA, the certificate verified for the name.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::error::ConfigError;

/// Builds the one configuration every connection shares. `extra_ca_pem` adds roots, it replaces none.
///
/// The provider is named here; no process-wide default is read or set. TLS 1.2 and 1.3; no client certificate, no
/// early data, no key log.
///
/// # Errors
/// [`ConfigError`] if the PEM holds no certificate or one that cannot serve as a root.
pub(crate) fn client_config(extra_ca_pem: Option<&[u8]>) -> Result<ClientConfig, ConfigError> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(pem) = extra_ca_pem {
        add_roots(&mut roots, pem)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| ConfigError::Tls(e.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn add_roots(roots: &mut RootCertStore, pem: &[u8]) -> Result<(), ConfigError> {
    let before = roots.len();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|e| ConfigError::Certificate(e.to_string()))?;
        roots.add(certificate).map_err(|e| ConfigError::Certificate(e.to_string()))?;
    }
    if roots.len() == before { Err(ConfigError::NoCertificate) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_roots_are_trusted_without_configuration() {
        assert!(client_config(None).is_ok());
    }

    #[test]
    fn a_file_without_certificates_is_an_error() {
        assert_eq!(client_config(Some(b"not pem")).unwrap_err(), ConfigError::NoCertificate);
    }

    #[test]
    fn a_block_that_is_no_certificate_is_an_error() {
        let pem = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(client_config(Some(pem)), Err(ConfigError::Certificate(_))));
    }
}
