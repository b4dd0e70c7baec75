//! Deletions of cookies that a browser holds under a Domain and a Path that it does not tell.
//!
//! A browser deletes the cookie whose name, Domain and Path a `Set-Cookie` names, and no other (RFC 6265bis 5.7). What
//! came with a request can be for the path of the request or any above it, and for its host or any domain above that.

use http::HeaderValue;

use super::jar::{AppRequest, bare_path, default_path};
use super::name::Prefix;
use super::set_cookie::SetCookie;
use crate::base::domain;
use crate::base::kept::CookieIdentity;

/// How many segments of a path are tried. Apps set their cookies for `/`, for where they are mounted, or for the folder of
/// the page that sets them.
const SEGMENTS_MAX: usize = 4;
/// No browser holds a longer name, or minds a longer path (RFC 6265bis 5.6).
const PART_BYTES_MAX: usize = 1024;
/// How many domains above the host are tried.
const PARENTS_MAX: usize = 2;

/// Where a browser may hold a cookie: its Domain, if it has one, and its Path.
pub type Place<'a> = (Option<&'a str>, &'a str);

/// Deletions of the cookie `name` wherever it can have come from that was sent with a request for `path` at `host`, but
/// not of the one at `spared`.
pub fn deletions(
    name: &[u8],
    host: &str,
    path: &str,
    spared: Option<Place<'_>>,
) -> Vec<HeaderValue> {
    if name.len() > PART_BYTES_MAX {
        return Vec::new();
    }
    let for_host_only = Prefix::of(name).is_some_and(Prefix::needs_host);
    let (domains, paths) = if for_host_only {
        (vec![None], vec!["/"])
    } else {
        (domains(host), paths(path))
    };
    let mut fields = Vec::with_capacity(domains.len() * paths.len());
    for domain in &domains {
        for path in &paths {
            if spared != Some((*domain, *path)) {
                fields.extend(deletion(name, *domain, path));
            }
        }
    }
    fields
}

/// The deletion of the cookie at this very place.
pub fn deletion_at(place: &CookieIdentity) -> Option<HeaderValue> {
    let domain = Some(&*place.domain).filter(|domain| !domain.is_empty());
    deletion(&place.name, domain, &place.path)
}

/// Where a browser will hold the cookie that `field` sets in the answer to `request`. An empty domain is that of the
/// visitor's host alone.
pub fn place(field: &[u8], request: &AppRequest<'_>) -> Option<CookieIdentity> {
    let set = SetCookie::read(field).ok()?;
    let path = match set.path {
        Some(path) => std::str::from_utf8(path).ok()?,
        None => default_path(bare_path(request.path)),
    };
    let domain = std::str::from_utf8(set.domain.unwrap_or_default()).ok()?;
    Some(CookieIdentity {
        name: set.name.into(),
        domain: domain.to_ascii_lowercase().into(),
        path: path.into(),
    })
}

/// Whether not every request to `host` finds what stands at `place` by [`deletions`].
pub fn is_apart(place: &CookieIdentity, host: &str) -> bool {
    let is_near = place.domain.is_empty() || domains(host).contains(&Some(&*place.domain));
    *place.path != *"/" || !is_near
}

/// Whether an answer to a request to `host` can delete what a browser holds at `place` since `set_at` answered it.
pub fn is_within_reach(place: &CookieIdentity, set_at: &str, host: &str) -> bool {
    match &*place.domain {
        "" => set_at == host,
        domain => domain::matches(host, domain),
    }
}

fn deletion(name: &[u8], domain: Option<&str>, path: &str) -> Option<HeaderValue> {
    let mut out = Vec::with_capacity(name.len() + path.len() + 128);
    out.extend_from_slice(name);
    out.extend_from_slice(b"=; Path=");
    out.extend_from_slice(path.as_bytes());
    if let Some(domain) = domain {
        out.extend_from_slice(b"; Domain=");
        out.extend_from_slice(domain.as_bytes());
    }
    // Both: old clients know only Expires. Secure and HttpOnly are what some name prefixes ask for.
    out.extend_from_slice(
        b"; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure; HttpOnly; SameSite=Lax",
    );
    HeaderValue::from_maybe_shared(bytes::Bytes::from(out)).ok()
}

/// None, the host, and the domains above it for which a browser takes cookies.
fn domains(host: &str) -> Vec<Option<&str>> {
    let mut domains = vec![None];
    if domain::is_ip(host) || domain::is_public_suffix(host) {
        return domains;
    }
    domains.push(Some(host));
    let mut rest = host;
    while let Some((_, parent)) = rest.split_once('.')
        && domains.len() < PARENTS_MAX + 2
        && !domain::is_public_suffix(parent)
    {
        domains.push(Some(parent));
        rest = parent;
    }
    domains
}

/// `/`, each path above `path` with and without a slash at its end, and `path` itself unless it is deeper. A path that no cookie can have is none.
fn paths(path: &str) -> Vec<&str> {
    let mut paths = vec!["/"];
    let is_odd = |byte: u8| byte == b';' || !byte.is_ascii_graphic();
    if path.bytes().any(is_odd) {
        return paths;
    }
    let borders = path.match_indices('/').map(|(at, _)| at).skip(1);
    let borders: Vec<usize> = borders
        .take_while(|at| *at < PART_BYTES_MAX)
        .take(SEGMENTS_MAX)
        .collect();
    for at in &borders {
        paths.extend(path.get(..*at));
        paths.extend(path.get(..=*at));
    }
    // A page may be where the app is mounted, asked for without a slash at its end.
    if borders.len() < SEGMENTS_MAX && !path.ends_with('/') && path.len() < PART_BYTES_MAX {
        paths.push(path);
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_apart_where_not_every_request_finds_it() {
        for (domain, path, apart) in [
            ("", "/", false),
            ("b.c.d.test", "/", false),
            ("c.d.test", "/", false),
            ("d.test", "/", true),
            ("", "/deep", true),
        ] {
            let place = CookieIdentity {
                name: b"sid"[..].into(),
                domain: domain.into(),
                path: path.into(),
            };
            assert_eq!(is_apart(&place, "a.b.c.d.test"), apart, "{place:?}");
            let elsewhere = is_within_reach(&place, "a.b.c.d.test", "x.d.test");
            assert_eq!(elsewhere, domain == "d.test", "{place:?}");
            assert!(is_within_reach(&place, "a.b.c.d.test", "a.b.c.d.test"));
        }
    }

    fn places(name: &str, host: &str, path: &str, spared: Option<Place<'_>>) -> Vec<String> {
        let tail =
            "; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure; HttpOnly; SameSite=Lax";
        deletions(name.as_bytes(), host, path, spared)
            .iter()
            .map(|field| {
                field
                    .to_str()
                    .unwrap()
                    .strip_suffix(tail)
                    .unwrap()
                    .to_owned()
            })
            .collect()
    }

    #[test]
    fn every_place_is_tried_that_the_request_could_have_got_it_from() {
        assert_eq!(
            places("sid", "a.shop.co.uk", "/app/x", None),
            [
                "sid=; Path=/",
                "sid=; Path=/app",
                "sid=; Path=/app/",
                "sid=; Path=/app/x",
                "sid=; Path=/; Domain=a.shop.co.uk",
                "sid=; Path=/app; Domain=a.shop.co.uk",
                "sid=; Path=/app/; Domain=a.shop.co.uk",
                "sid=; Path=/app/x; Domain=a.shop.co.uk",
                "sid=; Path=/; Domain=shop.co.uk",
                "sid=; Path=/app; Domain=shop.co.uk",
                "sid=; Path=/app/; Domain=shop.co.uk",
                "sid=; Path=/app/x; Domain=shop.co.uk",
            ]
        );
        for host in ["localhost", "127.0.0.1", "[::1]"] {
            assert_eq!(
                places("sid", host, "/x", None),
                ["sid=; Path=/", "sid=; Path=/x"],
                "{host}"
            );
            assert_eq!(places("sid", host, "/", None), ["sid=; Path=/"], "{host}");
        }
    }

    #[test]
    fn a_host_cookie_can_stand_in_one_place_only() {
        assert_eq!(
            places("__Host-sid", "shop.test", "/a/b/", None),
            ["__Host-sid=; Path=/"]
        );
    }

    #[test]
    fn the_one_that_is_meant_to_be_there_is_spared() {
        let spared = Some((None, "/"));
        let tried = places("sid", "a.test", "/b/c", spared);
        assert!(!tried.contains(&"sid=; Path=/".to_owned()), "{tried:?}");
        assert!(tried.contains(&"sid=; Path=/b".to_owned()), "{tried:?}");
    }

    #[test]
    fn a_deep_or_odd_path_does_not_make_a_flood() {
        assert_eq!(places("sid", "localhost", "/a/b/c/d/e/f", None).len(), 9);
        assert_eq!(places("sid", "localhost", "/a;x/b", None).len(), 1);
        let long = format!("/{}/b/c", "x".repeat(2000));
        assert_eq!(places("sid", "localhost", &long, None).len(), 1);
        assert_eq!(places(&"n".repeat(2000), "localhost", "/", None).len(), 0);
        assert_eq!(places("sid", "a.b.c.d.e.test", "/", None).len(), 4);
    }
}
