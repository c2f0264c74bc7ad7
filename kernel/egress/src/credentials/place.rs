//! Puts one value into its place, encoded so that it can be nothing else there.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use latchgate_wire::jcs;
use latchgate_wire::placement::{Placement, SecretUse};
use serde_json::Value;
use zeroize::Zeroizing;

use super::{Values, does_not_fit};
use crate::error::Refused;
use crate::message::Complete;

pub(super) fn put(used: &SecretUse, values: &mut Values, request: &mut Complete) -> Result<(), Refused> {
    let name = used.name.as_str();
    let secret = values.of(name)?;
    let value = secret.expose();
    match &used.placement {
        Placement::Bearer {} => set(name, AUTHORIZATION, &[b"Bearer ", value], request),
        Placement::Header { name: header, prefix } => {
            let header = HeaderName::from_bytes(header.as_bytes())
                .map_err(|_| does_not_fit(name, "its header has no proper name"))?;
            set(name, header, &[prefix.as_bytes(), value], request)
        }
        Placement::Basic { user, user_secret } => {
            let user = match user_secret {
                Some(user) => Zeroizing::new(values.of(user)?.expose().to_vec()),
                None => Zeroizing::new(user.clone().unwrap_or_default().into_bytes()),
            };
            basic(name, &user, value, values, request)
        }
        Placement::BasicUser {} => basic(name, value, b"", values, request),
        Placement::Query { name: parameter } => {
            let separator = if request.target().contains('?') { '&' } else { '?' };
            let pair = format!("{separator}{}={}", encoded(parameter.as_bytes()), encoded(value));
            request.retarget(|target| target.push_str(&pair)).map_err(|why| does_not_fit(name, why))
        }
        Placement::Form { name: field } => {
            let mut body = request.body().to_vec();
            if !body.is_empty() {
                body.push(b'&');
            }
            body.extend_from_slice(encoded(field.as_bytes()).as_bytes());
            body.push(b'=');
            body.extend_from_slice(encoded(value).as_bytes());
            request.set_body(Bytes::from(body));
            Ok(())
        }
        Placement::Body { pointer } => member(name, pointer, value, request),
        Placement::Path { segment } => path(name, *segment, value, request),
        // It is over the whole request, and made last.
        Placement::AwsSigv4 { .. } => Err(does_not_fit(name, "a signature is not placed")),
    }
}

/// `Basic BASE64(user:password)`, RFC 7617 section 2.
fn basic(
    name: &str,
    user: &[u8],
    password: &[u8],
    values: &mut Values,
    request: &mut Complete,
) -> Result<(), Refused> {
    if user.contains(&b':') {
        return Err(does_not_fit(name, "a user name with a colon cannot be told from its password"));
    }
    let pair = Zeroizing::new([user, b":", password].concat());
    let credentials = Zeroizing::new(STANDARD.encode(&*pair));
    set(name, AUTHORIZATION, &[b"Basic ", credentials.as_bytes()], request)?;
    values.derive(name, pair.to_vec());
    values.derive(name, credentials.as_bytes().to_vec());
    Ok(())
}

/// Once, and nowhere where a header of that name stands already.
fn set(name: &str, header: HeaderName, parts: &[&[u8]], request: &mut Complete) -> Result<(), Refused> {
    let bytes = Zeroizing::new(parts.concat());
    // Narrower than `HeaderValue`: a line break in a value is a value that was pasted wrongly, not one to be sent.
    if !bytes.iter().all(|b| (0x20..=0x7e).contains(b)) || bytes.ends_with(b" ") {
        return Err(does_not_fit(
            name,
            "its value has characters that no header can hold (a line break at its end?)",
        ));
    }
    let value =
        HeaderValue::from_bytes(&bytes).map_err(|_| does_not_fit(name, "no header can hold its value"))?;
    request.set_header(header, value).map_err(|why| does_not_fit(name, why))
}

/// A member of the body at `pointer`, through objects that are there (RFC 6901), and the body canonical again.
fn member(name: &str, pointer: &str, value: &[u8], request: &mut Complete) -> Result<(), Refused> {
    let text = std::str::from_utf8(value).map_err(|_| does_not_fit(name, "its value is no text"))?;
    let mut body: Value =
        serde_json::from_slice(request.body()).map_err(|_| does_not_fit(name, "the body is no json"))?;
    let (parent, member) = pointer.rsplit_once('/').unwrap_or(("", pointer));
    let member = member.replace("~1", "/").replace("~0", "~");
    let Some(Value::Object(members)) = body.pointer_mut(parent) else {
        return Err(does_not_fit(name, format!("the body has no object at {parent:?}")));
    };
    if members.contains_key(&member) {
        return Err(does_not_fit(name, format!("the body has a member at {pointer} already")));
    }
    members.insert(member, Value::String(text.to_owned()));
    let bytes = jcs::canonical_value(&body).map_err(|_| does_not_fit(name, "the body cannot be written"))?;
    request.set_body(Bytes::from(bytes));
    Ok(())
}

/// The secret's name in segment `segment` (counted from 1) becomes its value.
fn path(name: &str, segment: u32, value: &[u8], request: &mut Complete) -> Result<(), Refused> {
    if matches!(value, b"." | b"..") {
        return Err(does_not_fit(name, "its value is a dot segment"));
    }
    let target = request.target().to_owned();
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target.as_str(), None),
    };
    let mut segments: Vec<&str> = path.split('/').collect();
    // The first is the nothing before the first slash.
    let at = usize::try_from(segment).ok().filter(|at| *at > 0).and_then(|at| segments.get_mut(at));
    let Some(place) = at.filter(|place| place.matches(name).count() == 1) else {
        return Err(does_not_fit(name, format!("path segment {segment} does not hold its name")));
    };
    let filled = Zeroizing::new(place.replace(name, &encoded(value)));
    *place = &filled;
    let mut whole = segments.join("/");
    if let Some(query) = query {
        whole.push('?');
        whole.push_str(query);
    }
    request.retarget(|target| *target = whole).map_err(|why| does_not_fit(name, why))
}

/// Everything but the unreserved percent-encoded (RFC 3986 section 2.3), and the colon, which stands in tokens and may
/// stand in paths and queries alike.
pub(super) fn encoded(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':') {
            out.push(char::from(*byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
