//! The `[zoom]` section: URLs, limits, and where the secret is.

use std::time::Duration;

use reqwest::Url;

use super::reader::Reader;
use super::schema;
use super::secret::{self, SecretInputs, SecretSource};
use super::types::{RateConfig, SourceChoice, ZoomConfig};
use crate::model::{Plan, is_loopback};

impl Reader<'_> {
    pub(super) fn zoom(&mut self, zoom: &schema::Zoom) -> ZoomConfig {
        let page_size = u16::try_from(zoom.page_size).ok().filter(|size| (1..=300).contains(size));
        if page_size.is_none() {
            let message = format!("{} rows a page are not possible", zoom.page_size);
            self.problem("zoom.page_size", message, "give a number from 1 to 300");
        }
        if !(zoom.daily_share > 0.0 && zoom.daily_share <= 1.0) {
            self.problem(
                "zoom.daily_share",
                format!("{} is no share", zoom.daily_share),
                "give a number above 0 and at most 1, such as 0.8",
            );
        }
        let api_url = match zoom.api_url.trim() {
            "" => None,
            text => self.url("zoom.api_url", text),
        };
        if api_url.as_ref().is_some_and(|url| url.path() == "/") {
            self.problem(
                "zoom.api_url",
                "the URL lacks the API's version",
                "end it in /v2, such as \"https://api.zoom.us/v2\"",
            );
        }
        let token_url = self.url("zoom.token_url", zoom.token_url.trim());
        ZoomConfig {
            account_id: zoom.account_id.trim().to_owned(),
            client_id: zoom.client_id.trim().to_owned(),
            token_url: token_url.unwrap_or_else(|| {
                Url::parse("https://zoom.us/oauth/token").expect("the built-in token URL is a URL")
            }),
            api_url,
            plan: self.choice("zoom.plan", &zoom.plan, Plan::ALL, Plan::as_str),
            source: self.choice("zoom.source", &zoom.source, SourceChoice::ALL, SourceChoice::as_str),
            page_size: page_size.unwrap_or(300),
            request_timeout: self.duration(
                "zoom.request_timeout",
                &zoom.request_timeout,
                Duration::from_secs(1),
            ),
            daily_share: zoom.daily_share,
            rate: self.rate(&zoom.rate),
        }
    }

    fn rate(&mut self, rate: &schema::Rate) -> RateConfig {
        let mut limit = |name: &str, limit: Option<f64>| {
            if limit.is_some_and(|limit| !(limit > 0.0 && limit <= 10_000.0)) {
                self.problem(
                    &format!("zoom.rate.{name}"),
                    "the limit is not possible",
                    "give a number above 0 and at most 10000, or leave it out for the plan's limit",
                );
            }
            limit
        };
        RateConfig {
            light_per_second: limit("light_per_second", rate.light_per_second),
            medium_per_second: limit("medium_per_second", rate.medium_per_second),
            heavy_per_second: limit("heavy_per_second", rate.heavy_per_second),
            resource_intensive_per_minute: limit(
                "resource_intensive_per_minute",
                rate.resource_intensive_per_minute,
            ),
        }
    }

    fn url(&mut self, key: &str, text: &str) -> Option<Url> {
        let example = match key {
            "zoom.token_url" => "write it as \"https://zoom.us/oauth/token\"",
            _ => "write it as \"https://api.zoom.us/v2\"",
        };
        let Ok(url) = Url::parse(text) else {
            self.problem(key, "this is no URL", example);
            return None;
        };
        let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        // The URL itself is not shown where it may hold a password.
        let problem = match url.scheme() {
            _ if !url.username().is_empty() || url.password().is_some() => {
                Some(("the URL holds a user name or a password".to_owned(), "take them out"))
            }
            "http" | "https" if host.is_empty() => Some(("the URL has no host".to_owned(), example)),
            "http" if !is_loopback(host) => Some((
                format!("plain http to {host} would show the access token to the network"),
                "use https:// (http:// is for localhost only)",
            )),
            "http" | "https" => None,
            scheme => Some((format!("`{scheme}:` is not how Zoom is reached"), "use https://")),
        };
        match problem {
            Some((message, hint)) => {
                self.problem(key, message, hint);
                None
            }
            None => Some(url),
        }
    }

    pub(super) fn secret(&mut self, zoom: &schema::Zoom, given: SecretInputs) -> (SecretSource, Vec<String>) {
        let key = "zoom.client_secret_file";
        let secret_file = Some(zoom.client_secret_file.trim())
            .filter(|text| !text.is_empty())
            .map(|text| (self.path(key, text), self.origins.location(key)));
        if given.file.is_some() && secret_file.is_some() && !self.origins.is_outside_file(key) {
            self.problem(
                key,
                "both `client_secret` and `client_secret_file` are set",
                "keep one of them, best the file",
            );
        }
        let warning = self
            .file
            .filter(|_| given.file.is_some())
            .and_then(|path| secret::permission_warning(path, "the config holds the client secret, and"));
        (given.source(secret_file), warning.into_iter().collect())
    }
}
