//! The two hashes that decide whether pods roll: of what an agent is made of, and of the Secrets it depends on. Both are
//! the Go controller's formulas, so that adopting its objects rolls nothing.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use sha2::{Digest, Sha256};

/// The value of the pod annotation `kagent.dev/config-hash`: the first eight bytes of SHA-256 over all parts, put one
/// after the other, as a decimal number.
pub fn config_hash(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    let digest = hasher.finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(first).to_string()
}

/// `status.secretHash`: SHA-256 in hex over the Secrets, sorted by namespace/name, each with its name and every key and
/// value, without separators.
pub fn secret_hash<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> String {
    let mut sorted = BTreeMap::new();
    for secret in secrets {
        let namespace = secret.metadata.namespace.as_deref().unwrap_or_default();
        let name = secret.metadata.name.as_deref().unwrap_or_default();
        sorted.insert(format!("{namespace}/{name}"), secret);
    }
    let mut hasher = Sha256::new();
    for (name, secret) in sorted {
        hasher.update(name.as_bytes());
        for (key, value) in secret.data.iter().flatten() {
            hasher.update(key.as_bytes());
            hasher.update(&value.0);
        }
    }
    to_hex(&hasher.finalize())
}

/// Bytes as lower-case hex.
pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Hex as bytes; `None` when it is not hex.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::{ByteString, apimachinery::pkg::apis::meta::v1::ObjectMeta};

    use super::*;

    fn secret(name: &str, data: &[(&str, &str)]) -> Secret {
        Secret {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                namespace: Some("test".to_owned()),
                ..ObjectMeta::default()
            },
            data: Some(
                data.iter()
                    .map(|(key, value)| ((*key).to_owned(), ByteString(value.as_bytes().to_vec())))
                    .collect(),
            ),
            ..Secret::default()
        }
    }

    #[test]
    fn secret_hash_is_the_go_controllers() {
        let one = secret("secret1", &[("key1", "value1")]);
        let two = secret("secret2", &[("key2", "value2")]);
        assert_eq!(
            secret_hash([]),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(
            secret_hash([&secret("secret1", &[])]),
            "68a268d3f02147004cfa8b609966ec4cba7733f8c652edb80be8071eb1b91574"
        );
        assert_eq!(
            secret_hash([&one]),
            "62dc22ecd609281a5939efd60fae775e6b75b641614c523c400db994a09902ff"
        );
        let both = "f174f0e21a4427a87a23e4f277946a27f686d023cbe42f3000df94a4df94f7b5";
        assert_eq!(secret_hash([&one, &two]), both);
        assert_eq!(secret_hash([&two, &one]), both, "the order of the arguments counts");
    }

    #[test]
    fn hex_reads_back_and_refuses_the_rest() {
        assert_eq!(from_hex(&to_hex(&[0, 1, 254])), Some(vec![0, 1, 254]));
        for bad in ["0", "0g", "é0"] {
            assert_eq!(from_hex(bad), None, "{bad:?} was accepted");
        }
    }
}
