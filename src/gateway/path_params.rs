//! Session IDs in the path, taken out before anything is decided: sites, rules, the login watch, the jar and the app all
//! see one and the same path.

use http::request::Parts;
use http::uri::{PathAndQuery, Uri};

use super::Gateway;
use super::admit::Admitted;
use super::path::NormalPath;
use super::refusal::Refusal;
use super::site::{Found, Site, SiteTable};
use crate::base::meter::Count;

impl Gateway {
    /// Takes out of the path what its site strips from paths.
    pub(super) fn strip_path_params(
        &self,
        head: &mut Parts,
        admitted: &mut Admitted,
    ) -> Result<(), Refusal> {
        let stripped = self.sites.strip_path_params(head, admitted);
        if !matches!(stripped, Ok(false)) {
            self.meter.count(Count::PathParamsStripped);
        }
        stripped.map(drop)
    }
}

impl SiteTable {
    /// Takes out of the path what its site strips from paths. True when there was something; where there was none,
    /// nothing is refused.
    ///
    /// # Errors
    /// When the path can be read in two ways, before or afterwards.
    pub fn strip_path_params(
        &self,
        head: &mut Parts,
        admitted: &mut Admitted,
    ) -> Result<bool, Refusal> {
        let Some(site) = self.stripping(&admitted.host, &admitted.path) else {
            return Ok(false);
        };
        let Some(mut target) = site.strip_path_params.strip(head.uri.path().as_bytes()) else {
            return Ok(false);
        };
        // What goes may be all that was ambiguous; a request that tried is refused all the same.
        if admitted.path.is_ambiguous() && !site.pass_ambiguous_paths {
            return Err(Refusal::AmbiguousPath);
        }
        let path = NormalPath::read(&String::from_utf8_lossy(&target));
        // Parameters that hold an encoded slash, where those are passed, can lead from site to site.
        match self.find(&admitted.host, &path) {
            Found::Site(found) if std::ptr::eq::<Site>(found, site) => {}
            _ => return Err(Refusal::AmbiguousPath),
        }
        if let Some(query) = head.uri.query() {
            target.push(b'?');
            target.extend_from_slice(query.as_bytes());
        }
        head.uri = with_target(&head.uri, target).ok_or(Refusal::AmbiguousPath)?;
        admitted.path = path;
        Ok(true)
    }
}

fn with_target(uri: &Uri, target: Vec<u8>) -> Option<Uri> {
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::from_maybe_shared(bytes::Bytes::from(target)).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::headers::path_params::PathParams;

    proptest! {
        /// What a rule would have been found by before is what it is found by afterwards, for every reader that knows
        /// parameters; where even they disagree, the request is refused.
        #[test]
        fn what_is_left_means_what_the_whole_meant(
            pieces in prop::collection::vec("/|;jsessionid=|;JSESSIONID|;v=1|;|[a-c.]|%61|%2e|%2f|%5c|%3b|\\\\|%00", 0..16)
        ) {
            let raw = format!("/{}", pieces.concat());
            let before = NormalPath::read(&raw);
            let params = PathParams::parse(["jsessionid"]).unwrap();
            let Some(left) = params.strip(raw.as_bytes()) else { return Ok(()) };
            let after = NormalPath::read(std::str::from_utf8(&left).unwrap());
            if !before.is_ambiguous() {
                prop_assert_eq!(after.bare(), before.bare());
                prop_assert!(!after.is_ambiguous(), "{}", raw);
            }
        }
    }
}
