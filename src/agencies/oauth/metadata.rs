//! The service's public keys and its metadata (RFC 8414).
use super::{GateArg, token_endpoint};
use crate::access::rules::Scope;
use crate::platform::app::Shared;
use actix_web::web::Json;
use actix_web::{HttpResponse, get};
use serde::Serialize;
use utoipa::ToSchema;

/// Public keys (RFC 7517).
#[derive(Debug, Serialize, ToSchema)]
pub struct KeySet {
    /// JWKs, each with `kid`.
    #[schema(value_type = Vec<Object>)]
    keys: serde_json::Value,
}

/// Read the public keys
///
/// Whoever receives a token can check it with these.
#[utoipa::path(tag = "identity", responses((status = 200, body = KeySet, description = "The keys.")))]
#[get("/.well-known/jwks.json")]
pub async fn read_keys(gate: GateArg) -> HttpResponse {
    let keys = gate.0.signer.jwks().get("keys").cloned().unwrap_or_default();
    HttpResponse::Ok().insert_header(("cache-control", "public, max-age=300")).json(KeySet { keys })
}

/// Metadata of the authorization server (RFC 8414).
#[derive(Debug, Serialize, ToSchema)]
pub struct Metadata {
    #[schema(example = "https://simpul.example")]
    issuer: String,
    #[schema(example = "https://simpul.example/oauth/token")]
    token_endpoint: String,
    #[schema(example = "https://simpul.example/.well-known/jwks.json")]
    jwks_uri: String,
    #[schema(example = json!(["client_credentials"]))]
    grant_types_supported: [&'static str; 1],
    #[schema(example = json!(["none"]))]
    response_types_supported: [&'static str; 1],
    #[schema(example = json!(["private_key_jwt", "client_secret_basic"]))]
    token_endpoint_auth_methods_supported: [&'static str; 2],
    #[schema(example = json!(["EdDSA", "ES256"]))]
    token_endpoint_auth_signing_alg_values_supported: [&'static str; 2],
    /// For phones: RFC 7591 with a one-time code.
    #[schema(example = "https://simpul.example/oauth/register")]
    registration_endpoint: String,
    #[schema(example = "https://simpul.example/oauth/revoke")]
    revocation_endpoint: String,
    #[schema(example = json!(["private_key_jwt", "client_secret_basic"]))]
    revocation_endpoint_auth_methods_supported: [&'static str; 2],
    #[schema(example = json!(["EdDSA", "ES256"]))]
    revocation_endpoint_auth_signing_alg_values_supported: [&'static str; 2],
    #[schema(example = "https://simpul.example/oauth/introspect")]
    introspection_endpoint: String,
    #[schema(example = json!(["private_key_jwt", "client_secret_basic"]))]
    introspection_endpoint_auth_methods_supported: [&'static str; 2],
    #[schema(example = json!(["EdDSA", "ES256"]))]
    introspection_endpoint_auth_signing_alg_values_supported: [&'static str; 2],
    scopes_supported: Vec<Scope>,
    #[schema(example = "https://simpul.example/docs")]
    service_documentation: String,
}

/// How a client may prove itself, wherever it has to.
const METHODS: [&str; 2] = ["private_key_jwt", "client_secret_basic"];
const ALGORITHMS: [&str; 2] = ["EdDSA", "ES256"];

/// Read the metadata
///
/// Where tokens are issued and how a client may prove itself (RFC 8414).
#[utoipa::path(tag = "identity", responses((status = 200, body = Metadata, description = "The metadata.")))]
#[get("/.well-known/oauth-authorization-server")]
pub async fn read_metadata(app: Shared) -> Json<Metadata> {
    let base = &app.settings.public_url;
    Json(Metadata {
        issuer: app.settings.issuer.clone(),
        token_endpoint: token_endpoint(&app),
        jwks_uri: format!("{base}/.well-known/jwks.json"),
        grant_types_supported: ["client_credentials"],
        // The RFC asks for the member and forbids an empty list.
        response_types_supported: ["none"],
        token_endpoint_auth_methods_supported: METHODS,
        token_endpoint_auth_signing_alg_values_supported: ALGORITHMS,
        registration_endpoint: format!("{base}/oauth/register"),
        revocation_endpoint: format!("{base}/oauth/revoke"),
        revocation_endpoint_auth_methods_supported: METHODS,
        revocation_endpoint_auth_signing_alg_values_supported: ALGORITHMS,
        introspection_endpoint: format!("{base}/oauth/introspect"),
        introspection_endpoint_auth_methods_supported: METHODS,
        introspection_endpoint_auth_signing_alg_values_supported: ALGORITHMS,
        scopes_supported: Scope::ALL.to_vec(),
        service_documentation: format!("{base}/docs"),
    })
}
