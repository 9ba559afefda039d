"""Holds Dockerfile and docker-compose.yml against the rest: syntax, files and variables they name, commands they run.

No container engine is asked: it is not at hand where the tests run. What only an engine can tell (that the images build
and the containers find each other) is not checked here.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
faults = []


def expect(holds, fault):
    if not holds:
        faults.append(fault)


def variables_of_service():
    """Every variable that .env.example documents, commented out or not."""
    text = (ROOT / ".env.example").read_text()
    return set(re.findall(r"^#?([A-Z][A-Z0-9_]+)=", text, re.M))


def subcommands():
    text = (ROOT / "src/main.rs").read_text()
    body = text.split("enum Command {")[1].split("\n}")[0]
    return {word.lower() for word in re.findall(r"^    ([A-Z][a-z]+)\b", body, re.M)}


def check_compose():
    text = (ROOT / "docker-compose.yml").read_text()
    compose = yaml.safe_load(text)
    services, known = compose["services"], variables_of_service()
    expect(set(services) == {"database", "migrate", "serve-1", "serve-2", "worker", "proxy"}, f"services: {sorted(services)}")
    head = text.split("\nname:")[0]
    for name in sorted(set(re.findall(r"\$\{([A-Z_]+)", text))):
        expect(name in head or name in known, f"compose: ${{{name}}} is explained nowhere")
    for name, service in services.items():
        for source in (v.split(":")[0] for v in service.get("volumes", []) if v.startswith("./")):
            made_by_operator = source.startswith(("./deploy/keys", "./deploy/tls"))
            expect(made_by_operator or (ROOT / source).exists(), f"compose: {name} mounts {source}, which is not there")
        for other in service.get("depends_on", {}):
            expect(other in services, f"compose: {name} waits for {other}, which is no service")
        if service.get("image") != "simpul:local":
            continue
        expect(service["command"][0] in subcommands(), f"compose: {name} runs {service['command']}, which is no command")
        expect(service.get("read_only") is True, f"compose: {name} can write to its root")
        needed = {"DATABASE_OWNER_URL"} if name == "migrate" else {"DATABASE_URL", "PUBLIC_URL", "SIGNING_KEYS_DIR", "DATA_KEYS_DIR", "DOCUMENTS_DIR"}
        given = set(service["environment"])
        expect(needed <= given, f"compose: {name} lacks {sorted(needed - given)}")
        expect(given <= known, f"compose: {name} sets {sorted(given - known)}, which nothing reads")


INSTRUCTIONS = {"FROM", "WORKDIR", "COPY", "RUN", "USER", "ENV", "EXPOSE", "STOPSIGNAL", "ENTRYPOINT", "CMD"}


def check_dockerfile():
    text = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text())
    lines = [line.split(None, 1) for line in text.splitlines() if line.strip() and not line.startswith("#")]
    user = None
    for word, rest in lines:
        expect(word in INSTRUCTIONS, f"Dockerfile: {word} is no instruction")
        if word == "FROM":
            user = None
        if word == "USER":
            user = rest
        if word == "COPY" and not rest.startswith("--from"):
            for source in rest.split()[:-1]:
                expect((ROOT / source).exists(), f"Dockerfile: copies {source}, which is not there")
    expect(user not in (None, "root", "0", "0:0"), "Dockerfile: runs as root")
    expect(["ENTRYPOINT", '["simpul"]'] in lines, "Dockerfile: does not run simpul")
    needed = ["Cargo.toml", "Cargo.lock", "build.rs", "src", "migrations", "sql", "data", "assets"]
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for name in (name for name in needed if (ROOT / name).exists()):
        expect(f"!{name}" in [line.rstrip("/*") for line in ignored], f".dockerignore: keeps {name} out of the build")


def check_proxy():
    text = re.sub(r"'[^']*'|#.*", "", (ROOT / "deploy/nginx.conf").read_text())
    expect(text.count("{") == text.count("}"), "nginx.conf: braces")
    ports = re.findall(r"server (serve-[0-9]):8080", text)
    expect(ports == ["serve-1", "serve-2"], f"nginx.conf: nodes {ports}")
    largest = max(largest_bodies())
    taken = int(re.search(r"client_max_body_size (\d+)m;", text).group(1)) * 1024 * 1024
    expect(taken > largest, f"nginx.conf: refuses a body of {largest} bytes, which the service takes")
    places = dict(re.findall(r"location ([^{]*?) \{([^}]*)\}", text))
    # An address below it opens a document for whoever has it.
    links = places.get("^~ /v1/documents/", "")
    expect("error_log /dev/null crit;" in links, "nginx.conf: errors tell the addresses of links")
    expect("proxy_max_temp_file_size 0;" in links, "nginx.conf: documents are written to files in clear")
    expect("error_log /dev/stderr error;" in text, "nginx.conf: warnings quote requests")
    for place, body in places.items():
        expect("proxy_set_header" not in body, f"nginx.conf: {place} loses the headers that all places set")
    check_by_nginx()


def largest_bodies():
    """Bytes of what each route takes beyond the usual."""
    for source in (ROOT / "src").rglob("*.rs"):
        for mib in re.findall(r"const (?:LIMIT|MOST_BYTES): usize = (\d+) \* 1024 \* 1024;", source.read_text()):
            yield int(mib) * 1024 * 1024


def check_by_nginx():
    """What nginx itself says, where it is at hand: with nodes and a certificate that it can find here."""
    nginx, openssl = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:" + os.environ.get("PATH", "")), shutil.which("openssl")
    if not nginx or not openssl:
        return
    with tempfile.TemporaryDirectory() as place:
        cert, key, conf, mime = (Path(place) / name for name in ("cert.pem", "key.pem", "nginx.conf", "mime.types"))
        made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=x", "-keyout", key, "-out", cert]
        subprocess.run([openssl, *made], check=True, capture_output=True)
        mime.write_text("types { }\n")
        text = (ROOT / "deploy/nginx.conf").read_text().replace("/tmp/", f"{place}/").replace("/etc/nginx/mime.types", str(mime))
        text = text.replace("/etc/simpul/tls/cert.pem", str(cert)).replace("/etc/simpul/tls/key.pem", str(key))
        conf.write_text(re.sub(r"serve-[0-9]:8080", "127.0.0.1:8080", text))
        said = subprocess.run([nginx, "-t", "-q", "-e", "stderr", "-p", place, "-c", conf], capture_output=True, text=True)
        expect(said.returncode == 0, f"nginx.conf: {said.stderr.strip()}")


check_compose()
check_dockerfile()
check_proxy()
for fault in faults:
    print(fault, file=sys.stderr)
print(f"deployment files: {len(faults)} faults")
sys.exit(bool(faults))
