//! Paths of the API: which group, version, kind, namespace, object and subresource a request means.

/// What a path asks for.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Route {
    /// A fixed text, such as the answer of a health check.
    Plain(&'static str),
    Version,
    Discovery(DiscoveryPlace),
    /// An OpenAPI document, by group and version; without them the list of documents.
    OpenApi(Option<(String, String)>),
    Resource(Place),
    Unknown,
}

/// A discovery document.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum DiscoveryPlace {
    CoreVersions,
    Groups,
    Group(String),
    Resources { group: String, version: String },
}

/// A kind, an object of it or a subresource of that.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Place {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) plural: String,
    /// Empty for cluster-scoped kinds and for all namespaces.
    pub(super) namespace: String,
    /// Empty for all objects.
    pub(super) name: String,
    pub(super) subresource: String,
}

impl Route {
    pub(super) fn parse(path: &str) -> Self {
        let parts: Vec<String> = path.split('/').filter(|part| !part.is_empty()).map(decode).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        match parts.as_slice() {
            ["healthz" | "livez" | "readyz", ..] => Self::Plain("ok"),
            ["version"] => Self::Version,
            ["openapi", "v3"] => Self::OpenApi(None),
            ["openapi", "v3", "api", version] => Self::OpenApi(Some((String::new(), (*version).to_owned()))),
            ["openapi", "v3", "apis", group, version] => {
                Self::OpenApi(Some(((*group).to_owned(), (*version).to_owned())))
            }
            ["api"] => Self::Discovery(DiscoveryPlace::CoreVersions),
            ["apis"] => Self::Discovery(DiscoveryPlace::Groups),
            ["apis", group] => Self::Discovery(DiscoveryPlace::Group((*group).to_owned())),
            ["api", version, rest @ ..] => Self::below("", version, rest),
            ["apis", group, version, rest @ ..] => Self::below(group, version, rest),
            _ => Self::Unknown,
        }
    }

    fn below(group: &str, version: &str, rest: &[&str]) -> Self {
        let place = |namespace: &str, plural: &str, rest: &[&str]| {
            let mut place = Place {
                group: group.to_owned(),
                version: version.to_owned(),
                plural: plural.to_owned(),
                namespace: namespace.to_owned(),
                ..Place::default()
            };
            match rest {
                [] => {}
                [name] => place.name = (*name).to_owned(),
                [name, subresource] => {
                    place.name = (*name).to_owned();
                    place.subresource = (*subresource).to_owned();
                }
                _ => return Self::Unknown,
            }
            Self::Resource(place)
        };
        match rest {
            [] => Self::Discovery(DiscoveryPlace::Resources {
                group: group.to_owned(),
                version: version.to_owned(),
            }),
            // `namespaces/x/status` is about the namespace; `namespaces/x/pods` about what is in it.
            ["namespaces", _, "status" | "finalize"] => place("", "namespaces", &rest[1..]),
            ["namespaces", namespace, plural, rest @ ..] => place(namespace, plural, rest),
            [plural, rest @ ..] => place("", plural, rest),
        }
    }
}

/// Undoes percent-encoding. What is not valid UTF-8 stays as it is.
pub(super) fn decode(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let hex = bytes
            .get(index + 1..index + 3)
            .filter(|_| bytes[index] == b'%')
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match hex {
            Some(byte) => {
                decoded.push(byte);
                index += 3;
            }
            None => {
                decoded.push(bytes[index]);
                index += 1;
            }
        }
    }
    String::from_utf8(decoded).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(path: &str) -> [String; 6] {
        match Route::parse(path) {
            Route::Resource(place) => [
                place.group,
                place.version,
                place.plural,
                place.namespace,
                place.name,
                place.subresource,
            ],
            other => panic!("{path}: {other:?}"),
        }
    }

    #[test]
    fn namespaces_are_objects_and_scopes() {
        assert_eq!(place("/api/v1/namespaces"), ["", "v1", "namespaces", "", "", ""]);
        assert_eq!(place("/api/v1/namespaces/a"), ["", "v1", "namespaces", "", "a", ""]);
        assert_eq!(
            place("/api/v1/namespaces/a/status"),
            ["", "v1", "namespaces", "", "a", "status"]
        );
        assert_eq!(place("/api/v1/namespaces/a/pods"), ["", "v1", "pods", "a", "", ""]);
        assert_eq!(
            place("/apis/kagent.dev/v1alpha2/namespaces/a/agents/b%2Fc/status"),
            ["kagent.dev", "v1alpha2", "agents", "a", "b/c", "status"]
        );
        assert_eq!(
            place("/apis/kagent.dev/v1alpha2/agents"),
            ["kagent.dev", "v1alpha2", "agents", "", "", ""]
        );
    }

    #[test]
    fn the_rest_is_discovery_or_unknown() {
        assert_eq!(
            Route::parse("/apis/apps/v1"),
            Route::Discovery(DiscoveryPlace::Resources {
                group: "apps".into(),
                version: "v1".into()
            })
        );
        for path in ["/", "/openapi/v2", "/api/v1/namespaces/a/pods/b/log/c"] {
            assert_eq!(Route::parse(path), Route::Unknown, "{path}");
        }
    }
}
