"""An outside OAuth library against a demo of its own: Authlib, private_key_jwt, ES256, otherwise its defaults.

What a partner is given is the address of the metadata document and credentials.json; nothing else of the service is known
here.
"""

import os
import sys

import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from joserfc.jwk import ECKey

import demo

TOKENS = 3
CALLS = 3
CLIENTS = [
    ("BPJS Kesehatan", "system"),
    ("Dinas Sosial Kabupaten Mukomuko", "officer"),
    ("Dinas Sosial Kabupaten Mukomuko", "phone"),
]


def session_of(client: dict, metadata: AuthorizationServerMetadata) -> OAuth2Session:
    endpoint = metadata["token_endpoint"]
    key = ECKey.import_key(client["es256_private_key_pem"])
    how = {"token_endpoint_auth_method": "private_key_jwt", "token_endpoint": endpoint, "grant_type": "client_credentials"}
    session = OAuth2Session(client["client_id"], key, **how)
    session.register_client_auth_method(PrivateKeyJWT(endpoint, alg="ES256"))
    return session


def use(metadata_url: str, client: dict) -> None:
    metadata = AuthorizationServerMetadata(requests.get(metadata_url, timeout=30).json())
    metadata.validate()
    assert "private_key_jwt" in metadata["token_endpoint_auth_methods_supported"], metadata
    assert "ES256" in metadata["token_endpoint_auth_signing_alg_values_supported"], metadata
    session, seen = session_of(client, metadata), set()
    for _ in range(TOKENS):
        token = session.fetch_token()
        seen.add(token["access_token"])
        for _ in range(CALLS):
            answer = session.get(f"{metadata['issuer']}/v1/me")
            assert answer.status_code == 200, answer.text
            assert answer.json()["client_id"] == client["client_id"], answer.text
    assert len(seen) == TOKENS, "a token came twice"
    # When a token has run out the library fetches the next one by itself.
    session.token["expires_at"] = 1
    assert session.get(f"{metadata['issuer']}/v1/me").status_code == 200
    assert session.token["access_token"] not in seen, "no new token"
    print(f"{client['agency']}, {client['client_kind']}: {TOKENS + 1} tokens, {TOKENS * CALLS + 1} calls")


def main() -> int:
    for name in set(os.environ) - set(demo.without_proxies()):
        del os.environ[name]
    with demo.running() as (base, credentials):
        for agency, kind in CLIENTS:
            use(f"{base}/.well-known/oauth-authorization-server", demo.client(credentials, agency, kind))
    return 0


if __name__ == "__main__":
    sys.exit(main())
