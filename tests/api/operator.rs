//! `simpul agency …` as an operator on the host runs it, as processes beside a running service.
use crate::support::{self, Client, TestApp, run};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};

async fn simpul(app: &TestApp, arguments: &[&str]) -> Output {
    let url = app.database_url("simpul_service");
    let config = support::config(&app.base, &url);
    let mut command = Command::new(env!("CARGO_BIN_EXE_simpul"));
    command.env_clear().current_dir(std::env::temp_dir()).arg("agency").args(arguments);
    command.env("DATABASE_URL", url).env("SIGNING_KEYS_DIR", config.signing_keys_dir).env("PUBLIC_URL", &app.base);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

async fn says(app: &TestApp, arguments: &[&str]) -> String {
    let output = simpul(app, arguments).await;
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

pub async fn json_of(app: &TestApp, arguments: &[&str]) -> Value {
    let said = says(app, arguments).await;
    serde_json::from_str(&said).unwrap_or_else(|_| panic!("not JSON: {said}"))
}

async fn refuses(app: &TestApp, arguments: &[&str], why: &str) -> String {
    let output = simpul(app, arguments).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains(why), "{arguments:?}: {said}");
    assert!(output.stdout.is_empty());
    said
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// What docs/DEPLOYMENT.md tells for a first installation.
#[test]
fn an_operator_makes_the_first_agency_and_client() {
    run(async |app| {
        let agency = json_of(app, &["create", "--kind", "ministry", "--name", "Kementerian Contoh"]).await;
        let agency = text(&agency["agency_id"]);
        let client =
            json_of(app, &["create-client", agency, "--name", "Konsol", "--purpose", "Pengelolaan instansi"]).await;
        let (id, secret) = (text(&client["client_id"]), text(&client["client_secret"]));
        let basic = {
            use base64::Engine;
            base64::engine::general_purpose::STANDARD.encode(format!("{id}:{secret}"))
        };
        let form = [("grant_type", "client_credentials"), ("acting_user", "staf-0001")];
        let token = app.nobody().form("/oauth/token", &form).header("authorization", &format!("Basic {basic}")).await;
        let ministry = app.nobody().with_token(text(&token.expect(200).json["access_token"]));
        // from here on it goes on over HTTP
        let new = json!({ "kind": "other", "name": "Yayasan Contoh", "scopes": ["clients:manage"] });
        let made = ministry.post("/v1/agencies", new).await.expect(201).id();
        let first = json!({ "kind": "officer", "name": "a", "purpose": "b", "scopes": ["clients:manage"] });
        ministry.post(&format!("/v1/agencies/{made}/clients"), first).await.expect(201);

        let list = says(app, &["list"]).await;
        assert!(list.contains(&format!("{agency} active ministry - Kementerian Contoh\n  {id} active officer Konsol")));
        let rows = app.texts("SELECT concat_ws(' ', action, outcome, acting_user, subject_type, agency_id, client_id) FROM audit_events WHERE acting_user = 'operator-on-host' ORDER BY at").await;
        assert_eq!(
            rows,
            ["agency.create allowed operator-on-host agency", "client.create allowed operator-on-host client"]
        );
        assert_eq!(app.number(&format!("SELECT count(*) FROM changes WHERE entity_id = '{agency}'")).await, 1);
    });
}

fn write(name: &str, jwk: &Value) -> String {
    let file = std::env::temp_dir().join(format!("simpul-jwk-{}-{name}.json", std::process::id()));
    std::fs::write(&file, jwk.to_string()).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn an_operator_registers_keys_and_prints_tokens() {
    run(async |app| {
        let regency = app.agency("Dinas Sosial Kabupaten Mukomuko").await;
        let jwk = |kid: &str| {
            let pem = simpul::access::keys::new_key_pem().unwrap();
            let mut jwk = serde_json::to_value(simpul::access::keys::public_jwk(&pem).unwrap()).unwrap();
            jwk["kid"] = json!(kid);
            jwk
        };
        let (first, second) = (write("first", &jwk("first")), write("second", &jwk("second")));
        let more = ["--name", "Aplikasi", "--purpose", "Uji coba", "--scope", "cases:read", "--network", "127.0.0.1"];
        let made = json_of(app, &[&["create-client", &regency, "--key", &first][..], &more].concat()).await;
        assert_eq!((text(&made["kid"]), made.get("client_secret")), ("first", None));
        let id = text(&made["client_id"]);
        assert_eq!(text(&json_of(app, &["add-key", id, &second]).await["kid"]), "second");
        refuses(app, &["add-key", id, &second], "already has this key").await;
        let token = says(app, &["token", id, "--acting-user", "staf-0001"]).await;
        let client: Client<'_> = app.nobody().with_token(&token);
        let me = client.get("/v1/me").await.expect(200).json;
        assert_eq!(
            (&me["client_id"], &me["scopes"], &me["acting_user"]),
            (&json!(id), &json!(["cases:read"]), &json!("staf-0001"))
        );

        // by the rules that hold over HTTP
        let agency = ["create", "--kind", "dinsos_regency", "--name", "Dinsos"];
        refuses(app, &[&agency[..], &["--region", "17.06"]].concat(), "already registered").await;
        refuses(app, &agency, "exactly one region").await;
        refuses(app, &[&agency[..], &["--region", "17.98"]].concat(), "not a current region").await;
        refuses(app, &["create", "--kind", "club", "--name", "x"], "kind").await;
        let named = ["create-client", &regency, "--name", "x", "--purpose", "y"];
        refuses(app, &[&named[..], &["--scope", "agencies:admin"]].concat(), "not a scope of the agency").await;
        refuses(app, &[&named[..], &["--kind", "phone"]].concat(), "registers itself").await;
        refuses(app, &[&named[..], &["--network", "10.0.0.1/8"]].concat(), "range of IP").await;
        let mut private = jwk("private");
        private["d"] = json!("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
        let private = write("private", &private);
        let said = refuses(app, &["add-key", id, &private], "public half").await;
        assert!(!said.contains("nWGxne"), "{said}");
        app.sql(&format!("UPDATE access_state SET active = false WHERE client_id = '{id}'")).await;
        refuses(app, &["token", id], "disabled").await;
        app.sql("UPDATE installation SET demo = true").await;
        refuses(app, &["list"], "made by `simpul demo`").await;
        for file in [first, second, private] {
            std::fs::remove_file(Path::new(&file)).unwrap();
        }
    });
}
