//! Which proxy an address goes through: `https_proxy` or `HTTPS_PROXY` for https, `http_proxy` for http (in lower case
//! only, as curl does, because a CGI server sets `HTTP_PROXY` from a header), else `all_proxy` or `ALL_PROXY`; none for
//! the hosts of `no_proxy` or `NO_PROXY` (names with all their subdomains, or `*`; networks such as `10.0.0.0/8` are not
//! understood). The meaning is curl 8's.

/// The proxy for this address, as the variables say it; `None` for a direct connection.
#[must_use]
pub fn proxy_for(url: &str, variable: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?.rsplit('@').next()?;
    let host = match authority.strip_prefix('[') {
        Some(inner) => inner.split(']').next()?,
        None => authority.split(':').next()?,
    };
    let first = |names: &[&str]| names.iter().find_map(|name| variable(name)).filter(|value| !value.is_empty());
    let direct = first(&["no_proxy", "NO_PROXY"]).is_some_and(|list| exempt(host, &list));
    if direct {
        return None;
    }
    let own: &[&str] = if scheme == "https" { &["https_proxy", "HTTPS_PROXY"] } else { &["http_proxy"] };
    first(own).or_else(|| first(&["all_proxy", "ALL_PROXY"]))
}

fn exempt(host: &str, list: &str) -> bool {
    let host = host.to_ascii_lowercase();
    list.split([',', ' ']).map(|entry| entry.trim().trim_start_matches('.').to_ascii_lowercase()).any(|entry| {
        let below = host.strip_suffix(entry.as_str()).is_some_and(|rest| rest.ends_with('.'));
        !entry.is_empty() && (entry == "*" || entry == host || below)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variables_mean_what_they_mean_to_curl() {
        let with = |variables: &'static [(&str, &str)], url: &str| {
            let known = move |name: &str| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            };
            proxy_for(url, &known)
        };
        let both: &[_] =
            &[("HTTPS_PROXY", "http://p:1"), ("HTTP_PROXY", "http://q:2"), ("NO_PROXY", "a.b, .c.d,[::1]")];
        assert_eq!(with(both, "https://hooks.slack.com/x").as_deref(), Some("http://p:1"));
        assert_eq!(with(both, "http://hooks.slack.com/x"), None, "HTTP_PROXY in capitals is not read");
        for exempt in ["https://a.b/x", "https://x.a.b:8443/", "https://u@c.d", "https://A.B/"] {
            assert_eq!(with(both, exempt), None, "{exempt}");
        }
        assert_eq!(with(both, "https://xa.b/").as_deref(), Some("http://p:1"));
        assert_eq!(with(&[("all_proxy", "http://r")], "http://[::1]:3/").as_deref(), Some("http://r"));
        assert_eq!(with(&[("all_proxy", "http://r"), ("no_proxy", "*")], "http://x/"), None);
        assert_eq!(with(&[("https_proxy", "")], "https://x/"), None);
    }
}
