//! Values that are ours: addresses, URLs, names, numbers. Each parser says what a value must be, for one line.

use std::{collections::BTreeSet, fmt::Display, net::SocketAddr, str::FromStr, time::Duration};

use kagent_core::ident::is_dns_label;
use url::Url;

use super::go::parse_duration;

pub(super) fn parse_address(text: &str) -> Result<Option<String>, String> {
    if text == "0" {
        return Ok(None);
    }
    match text.rsplit_once(':') {
        Some((_, port)) if port.parse::<u16>().is_ok() => Ok(Some(text.to_owned())),
        _ => Err("must be HOST:PORT, :PORT, or 0 for none".to_owned()),
    }
}

/// An address that only this machine reaches.
pub(super) fn parse_loopback(text: &str) -> Result<Option<SocketAddr>, String> {
    if text == "0" {
        return Ok(None);
    }
    match text.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => Ok(Some(address)),
        _ => Err("must be a loopback address such as 127.0.0.1:0, or 0 for none".to_owned()),
    }
}

pub(super) fn parse_value<T: FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

pub(super) fn parse_optional<T>(
    parse: impl Fn(&str) -> Result<T, String>,
) -> impl Fn(&str) -> Result<Option<T>, String> {
    move |text| {
        if text.is_empty() {
            Ok(None)
        } else {
            parse(text).map(Some)
        }
    }
}

pub(super) fn parse_http_url(text: &str) -> Result<Option<Url>, String> {
    let url: Url = parse_value(text)?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() {
        Ok(Some(url))
    } else {
        Err("must be a URL that begins with http:// or https://".to_owned())
    }
}

pub(super) fn parse_host_port(text: &str) -> Result<(String, u16), String> {
    let parts = text
        .rsplit_once(':')
        .and_then(|(host, port)| Some((host, port.parse().ok()?)));
    match parts {
        Some((host, port)) if !host.is_empty() => Ok((host.to_owned(), port)),
        _ => Err("must be HOST:PORT".to_owned()),
    }
}

pub(super) fn parse_positive<T: TryFrom<u64>>(text: &str) -> Result<T, String> {
    match text.parse::<u64>() {
        Ok(number @ 1..) => T::try_from(number).map_err(|_| "is too large".to_owned()),
        _ => Err("must be a whole number above 0".to_owned()),
    }
}

/// A duration that is no switch: 0 would mean that everything times out at once.
pub(super) fn parse_timeout(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        Duration::ZERO => Err("must be longer than 0".to_owned()),
        duration => Ok(duration),
    }
}

pub(super) fn parse_label(text: &str) -> Result<String, String> {
    if is_dns_label(text) {
        Ok(text.to_owned())
    } else {
        Err("must be a DNS label: a-z, 0-9 and - between them".to_owned())
    }
}

/// kagent drops what is no label and then, with nothing left, watches everything: a typo must not widen the scope.
pub(super) fn parse_namespaces(text: &str) -> Result<BTreeSet<String>, String> {
    text.split(',')
        .map(str::trim)
        .filter(|namespace| !namespace.is_empty())
        .map(|namespace| parse_label(namespace).map_err(|reason| format!("names {namespace:?}, which {reason}")))
        .collect()
}
