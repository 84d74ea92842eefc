//! The client secret: found, and never shown.

use super::*;

fn secret(config: &Config) -> String {
    config.credentials().unwrap().client_secret.expose_secret().to_owned()
}

#[test]
fn the_nearer_source_wins() {
    let place = ConfigFile::new(&format!("{APP}client_secret = \"from key\"\n"));
    place.write("zoom-client-secret", "from credential\n", 0o600);
    place.write("secret", "from file\n", 0o600);
    place.write("file.toml", &format!("{APP}client_secret_file = \"secret\"\n"), 0o600);
    place.write("none.toml", APP, 0o600);
    let directory = place.directory.path().to_str().unwrap();
    let by_file = place.path("secret");
    let all = [("CREDENTIALS_DIRECTORY", directory), ("ROLLCALL_ZOOM__CLIENT_SECRET", "from variable")];
    let load = |name: &str, environment: &[(&str, &str)]| {
        let file = place.path(name);
        let overrides = Overrides { config: Some(&file), database: None };
        secret(&Config::load(overrides, environment.iter().copied()).unwrap())
    };
    assert_eq!(load("config.toml", &all), "from variable");
    assert_eq!(load("config.toml", &all[..1]), "from key");
    assert_eq!(load("file.toml", &all[..1]), "from file");
    assert_eq!(load("none.toml", &all[..1]), "from credential");
    let variable = [("ROLLCALL_ZOOM__CLIENT_SECRET_FILE", by_file.to_str().unwrap())];
    assert_eq!(load("config.toml", &variable), "from file");
}

#[test]
fn what_is_missing_is_named_with_the_ways_to_give_it() {
    let place = ConfigFile::new("");
    assert_snapshot!(place.stable(&place.load(&[]).unwrap().credentials().unwrap_err().to_string()), @r"
the configuration has 3 problems:
  config.toml: zoom.account_id: required, but not set; copy it from the app's page on marketplace.zoom.us to `account_id` under [zoom], or to ROLLCALL_ZOOM__ACCOUNT_ID
  config.toml: zoom.client_id: required, but not set; copy it from the app's page on marketplace.zoom.us to `client_id` under [zoom], or to ROLLCALL_ZOOM__CLIENT_ID
  config.toml: zoom.client_secret: required, but not set; put it in a file and name that as `client_secret_file` under [zoom], or give the systemd credential `zoom-client-secret`, or ROLLCALL_ZOOM__CLIENT_SECRET
");
    let place = ConfigFile::new(APP);
    assert_snapshot!(place.stable(&place.load(&[]).unwrap().credentials().unwrap_err().to_string()), @"config.toml: zoom.client_secret: required, but not set; put it in a file and name that as `client_secret_file` under [zoom], or give the systemd credential `zoom-client-secret`, or ROLLCALL_ZOOM__CLIENT_SECRET");
}

#[test]
fn two_secrets_in_the_file_are_refused() {
    assert_snapshot!(errors(&format!("{APP}client_secret = \"x\"\nclient_secret_file = \"secret\"\n")), @"config.toml:5: zoom.client_secret_file: both `client_secret` and `client_secret_file` are set; keep one of them, best the file");
}

#[test]
fn a_secret_file_is_checked_when_it_is_needed() {
    let place = ConfigFile::new(&format!("{APP}client_secret_file = \"secret\"\n"));
    let error =
        |place: &ConfigFile| place.stable(&place.load(&[]).unwrap().credentials().unwrap_err().to_string());
    assert_snapshot!(error(&place), @"config.toml:4: zoom.client_secret_file: the secret file secret cannot be read (No such file or directory (os error 2)); check the path and that the user rollcall runs as may read it");
    place.write("secret", " \n", 0o600);
    assert_snapshot!(error(&place), @"config.toml:4: zoom.client_secret_file: the secret file secret is empty; put the client secret in it");
    place.write("secret", "x\n", 0o644);
    let credentials = place.load(&[]).unwrap().credentials().unwrap();
    assert_snapshot!(place.stable(&credentials.warnings.join("\n")), @"the secret file secret can be read by others (mode 0644); run: chmod 600 secret");
    place.write("secret", "x\n", 0o600);
    assert!(place.load(&[]).unwrap().credentials().unwrap().warnings.is_empty());
}

#[test]
fn a_config_with_a_secret_that_others_can_read_gets_a_warning() {
    let place = ConfigFile::new("");
    place.write("config.toml", &format!("meetings = [1]\n{APP}client_secret = \"x\"\n"), 0o640);
    assert_snapshot!(place.stable(&place.load(&[]).unwrap().warnings.join("\n")), @"the config holds the client secret, and config.toml can be read by others (mode 0640); run: chmod 600 config.toml");
}

/// Everything that the program might print about a configuration with this secret in it.
fn everything_said(secret: &str) -> String {
    let quoted = serde_json::Value::from(secret).to_string();
    let mut said = Vec::new();
    let mut say = |result: Result<Config, ConfigError>| match result {
        Ok(config) => said.push(format!("{config:?} {:?} {:#?}", config.warnings, config.credentials())),
        Err(error) => said.push(format!("{error} {error:?}")),
    };
    for text in [
        format!("{APP}client_secret = {quoted}\n"),
        format!("{APP}client_secret = {quoted}\nclient_secret_file = \"x\"\n"),
        format!("{APP}client_secret = [{quoted}]\n"),
        format!("{APP}client_secret = {{ value = {quoted} }}\n"),
        format!("{APP}client_secrets = {quoted}\n"),
        format!("client_secret = {quoted}\n"),
        // As it is, without quotes: a number, a list, or no TOML at all.
        format!("{APP}client_secret = {secret}\n"),
        format!("{APP}client_secret = \"{secret}\n"),
        format!("{APP}client_secret {secret}\n"),
    ] {
        say(ConfigFile::new(&text).load(&[]));
    }
    let place = ConfigFile::new(APP);
    say(place.load(&[("ROLLCALL_ZOOM__CLIENT_SECRET", secret)]));
    say(place.load(&[("ROLLCALL_ZOOM__CLIENT_SECRET", secret), ("ROLLCALL_ZOOM__PAGE_SIZE", "0")]));
    say(place.load(&[("ROLLCALL_ZOOM__CLIENT_SECRTE", secret)]));
    place.write("secret", secret, 0o644);
    say(place.load(&[("ROLLCALL_ZOOM__CLIENT_SECRET_FILE", place.path("secret").to_str().unwrap())]));
    said.concat()
}

#[test]
fn nothing_that_is_said_holds_the_secret() {
    for secret in [
        "9876543210123",
        "98765432101234567890123456789",
        "-9876543.25",
        "true",
        "[1987]",
        "{a=1987}",
        "\"quoted1987\"",
        "it's\\1987",
        "1987-06-05T04:03:02Z",
        "0x1987abcdef",
        "äöü-1987-secret",
        &"long1987".repeat(5000),
    ] {
        let said = everything_said(secret);
        // `true` is a word that may be said about other things.
        if secret != "true" {
            assert!(!said.contains(secret.trim_matches(['[', ']', '{', '}', '"'])), "{secret}");
        }
        assert!(!said.contains("1987"), "{secret}: {said}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn no_secret_is_ever_said(secret in "[A-Za-z0-9+/=_.~-]{12,40}") {
        prop_assert!(!everything_said(&secret).contains(&secret));
    }

    #[test]
    fn no_text_makes_loading_panic(text in "[\\[\\]a-z_.=\"{} \n0-9,#]{0,120}") {
        let _ = ConfigFile::new(&text).load(&[]);
    }
}

#[test]
fn a_secret_of_digits_or_a_word_arrives_as_it_is() {
    let place = ConfigFile::new(APP);
    for text in ["9876543210123", "true", "[1]", "\"x\"", "1e5"] {
        let config = place.load(&[("ROLLCALL_ZOOM__CLIENT_SECRET", text)]).unwrap();
        assert_eq!(secret(&config), text);
    }
}
