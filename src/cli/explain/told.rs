//! The same for people.

use std::fmt;

use super::account::{
    Access, Account, Brought, Demanded, Headers, InField, Refused, Ruling, Set, SiteFound,
    TurnedAway, UpstreamFound, Whence,
};

/// An account, as text.
pub(super) struct Told<'a>(pub &'a Account);

/// Where texts begin beside a label.
const LABEL: usize = 10;

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(account) = self;
        write!(f, "{} {}", account.method, account.url)?;
        if let Some(site) = &account.site {
            tell_site(f, site)?;
        }
        if let Some(access) = &account.access {
            tell_access(f, access)?;
        }
        if let Some(from) = &account.provenance {
            tell_provenance(f, from)?;
        }
        if let Some(refused) = &account.refused {
            tell_refusal(f, refused)?;
        }
        let cookies = account.cookies.iter().map(brought_row);
        tell_rows(f, "cookies of the browser", &cookies.collect::<Vec<_>>())?;
        let set = account.set_cookies.iter().map(set_row);
        tell_rows(f, "cookies of the app", &set.collect::<Vec<_>>())?;
        match &account.headers {
            Some(headers) => tell_headers(f, headers),
            None => Ok(()),
        }
    }
}

fn line(f: &mut fmt::Formatter<'_>, label: &str, text: impl fmt::Display) -> fmt::Result {
    write!(f, "\n{label:LABEL$}{text}")
}

fn tell_site(f: &mut fmt::Formatter<'_>, site: &SiteFound) -> fmt::Result {
    writeln!(f)?;
    let SiteFound {
        name, place, path, ..
    } = site;
    line(
        f,
        "site",
        format_args!("{name} ({place}), path {path} at {}", site.host),
    )?;
    let (upstream, app_host) = (&site.upstream, &site.app_host);
    line(f, "app", format_args!("{upstream}, sent Host: {app_host}"))?;
    // One that is like any other is told by its address alone.
    let is_plain = |one: &UpstreamFound| one.weight == 1 && !one.drain && !one.backup;
    if !site.upstreams.iter().all(is_plain) {
        for one in &site.upstreams {
            let drain = if one.drain { ", drained" } else { "" };
            let backup = if one.backup { ", backup" } else { "" };
            let (url, weight) = (&one.url, one.weight);
            line(f, "", format_args!("{url}: weight {weight}{drain}{backup}"))?;
        }
    }
    if let Some(target) = &site.target {
        line(
            f,
            "",
            format_args!("asked for {target}: the rest was stripped from the path"),
        )?;
    }
    if let Some(rule) = &site.rule {
        let mut says = Vec::new();
        says.extend(listed("for", rule.methods.as_ref()));
        says.extend(listed("from", rule.networks.as_ref()));
        says.extend(rule.require.as_ref().map(demands));
        says.extend(rule.session.map(|mode| format!("session = \"{mode}\"")));
        if rule.cross_site != "refuse" {
            says.push(format!("cross_site = \"{}\"", rule.cross_site));
        }
        if says.is_empty() {
            says.push("changes nothing".to_owned());
        }
        let (path, place, says) = (&rule.path, &rule.place, says.join(", "));
        line(f, "rule", format_args!("{path} ({place}): {says}"))?;
    }
    line(
        f,
        "session",
        format_args!("{}: {}", site.session, site.session_why),
    )?;
    if !site.enforce {
        let text = "report only (enforce = false): cookies that no rule passes reach the app, and are logged";
        line(f, "cookies", text)?;
    }
    Ok(())
}

/// `for GET, HEAD`, unless it is for all.
fn listed(label: &str, names: Option<&Vec<String>>) -> Option<String> {
    names.map(|names| format!("{label} {}", names.join(" and ")))
}

fn demands(demanded: &Demanded) -> String {
    let mut says = Vec::new();
    if demanded.user {
        says.push("a user".to_owned());
    }
    if !demanded.groups.is_empty() {
        says.push(format!("in a group of {}", demanded.groups.join(" or ")));
    }
    let age = demanded.max_auth_age.as_ref();
    says.extend(age.map(|age| format!("logged in within {age}")));
    let methods = demanded.methods.as_ref();
    says.extend(methods.map(|names| format!("by {}", names.join(" or "))));
    let networks = demanded.networks.as_ref();
    says.extend(networks.map(|names| format!("from {}", names.join(" or "))));
    format!("demands {}", says.join(", "))
}

fn tell_access(f: &mut fmt::Formatter<'_>, access: &Access) -> fmt::Result {
    let TurnedAway {
        status,
        reason,
        why,
        login,
    } = &access.without_login;
    let whom = if access.login_helps {
        "who is not logged in gets"
    } else {
        "whoever it is gets"
    };
    let login = login.as_ref().map(|login| format!("; log in at {login}"));
    let login = login.unwrap_or_default();
    line(
        f,
        "access",
        format_args!("{whom} {status} {reason}: {why}{login}"),
    )
}

fn tell_provenance(f: &mut fmt::Formatter<'_>, from: &Whence) -> fmt::Result {
    let whence = if from.cross_site {
        "another site"
    } else {
        "no other site"
    };
    line(f, "from", format_args!("{whence}: {}", from.why))?;
    if !from.could_carry_ticket {
        let text =
            "the ticket would not have come along: none is set, and no cookie goes into a jar";
        line(f, "", text)?;
    }
    if from.resent {
        let text = "a page of the gateway posts the form again, from this site: then the ticket comes along";
        line(f, "", text)?;
    }
    if from.refused_with_session {
        let text = "403 if the session holds a user, data or cookies: it would act with it";
        line(f, "", text)?;
    }
    match from.kept_cookies {
        "all" => Ok(()),
        "all-but-strict" => line(f, "", "kept cookies with SameSite=Strict stay behind"),
        _ => line(
            f,
            "",
            "of kept cookies only those with SameSite=None go along",
        ),
    }
}

fn tell_refusal(f: &mut fmt::Formatter<'_>, refused: &Refused) -> fmt::Result {
    writeln!(f)?;
    let Refused {
        status,
        reason,
        why,
        ..
    } = refused;
    line(f, "refused", format_args!("{status} {reason}: {why}"))?;
    for (nth, site) in refused.sites.iter().enumerate() {
        let label = if nth == 0 { "sites" } else { "" };
        let (name, place, path) = (&site.name, &site.place, &site.path);
        let hosts = site.hosts.join(", ");
        line(
            f,
            label,
            format_args!("{name} ({place}), path {path} at {hosts}"),
        )?;
    }
    Ok(())
}

/// A cookie: its name, the verdict, and lines that explain it.
type Row<'a> = (&'a str, &'static str, Vec<String>);

fn tell_rows(f: &mut fmt::Formatter<'_>, title: &str, rows: &[Row<'_>]) -> fmt::Result {
    if rows.is_empty() {
        return Ok(());
    }
    write!(f, "\n\n{title}")?;
    let widest = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or_default();
    let names = widest(&mut rows.iter().map(|(name, ..)| name.chars().count())).min(32);
    let verdicts = widest(&mut rows.iter().map(|(_, verdict, _)| verdict.len()));
    for (name, verdict, lines) in rows {
        write!(f, "\n  {name:names$}  {verdict:verdicts$}")?;
        for (nth, text) in lines.iter().enumerate() {
            if nth == 0 {
                write!(f, "  {text}")?;
            } else {
                write!(f, "\n  {:names$}  {:verdicts$}  {text}", "", "")?;
            }
        }
    }
    Ok(())
}

fn brought_row(cookie: &Brought) -> Row<'_> {
    let mut lines = vec![cookie.why.clone()];
    lines.extend(cookie.rule.as_ref().map(ruled));
    (shown(&cookie.name), cookie.verdict, lines)
}

fn set_row(set: &Set) -> Row<'_> {
    let mut lines = vec![set.why.clone()];
    if let Some(jar) = &set.jar {
        let below = if jar.host_only { "" } else { " and all below" };
        let ends = jar.expires.as_ref();
        let ends = ends.map_or("with the session".to_owned(), |end| format!("on {end}"));
        let same_site = jar.same_site.map(|one| format!(", SameSite={one}"));
        let same_site = same_site.unwrap_or_default();
        let (domain, path) = (&jar.domain, &jar.path);
        lines.push(format!(
            "for {domain}{below}, path {path}, ends {ends}{same_site}"
        ));
    }
    lines.extend(
        set.browser
            .iter()
            .map(|field| format!("Set-Cookie: {field}")),
    );
    lines.extend(set.rule.as_ref().map(ruled));
    (
        shown(set.name.as_deref().unwrap_or_default()),
        set.verdict,
        lines,
    )
}

fn shown(name: &str) -> &str {
    if name.is_empty() { "(nameless)" } else { name }
}

fn ruled(rule: &Ruling) -> String {
    let Ruling { name, mode, place } = rule;
    match place {
        Some(place) => format!("{name} = {mode} ({place})"),
        None => format!("{name} = {mode} (not written)"),
    }
}

fn tell_headers(f: &mut fmt::Formatter<'_>, headers: &Headers) -> fmt::Result {
    write!(
        f,
        "\n\nheaders of the app, for a made-up visitor; those of a session are absent where there is no value"
    )?;
    if !headers.removed.is_empty() {
        write!(f, "\n  removed  {}", headers.removed.join(", "))?;
    }
    let widths = headers.set.iter().map(|line| line.name.len());
    let width = widths.max().unwrap_or_default();
    for (nth, line) in headers.set.iter().enumerate() {
        let label = if nth == 0 { "set" } else { "" };
        write!(f, "\n  {label:7}  {:width$}  {}", line.name, line.value)?;
    }
    let cookies = headers.cookie.iter().map(in_field);
    write!(f, "\n  cookie   {}", cookies.collect::<Vec<_>>().join("; "))
}

fn in_field(field: &InField) -> String {
    match (&field.name, field.from) {
        (None, _) => "(the jar's)".to_owned(),
        (Some(name), "placeholder") => format!("{name} (placeholder, if the jar has none)"),
        (Some(name), _) if field.certain => name.clone(),
        (Some(name), _) => format!("{name} (perhaps)"),
    }
}
