"""Holds Dockerfile and docker-compose.yml against the rest: syntax, files and variables they name, commands they run.

No container engine is asked: it is not at hand where the tests run. What only an engine can tell (that the images build
and the containers find each other) is not checked here.
"""

import re
import sys
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


check_compose()
check_dockerfile()
check_proxy()
for fault in faults:
    print(fault, file=sys.stderr)
print(f"deployment files: {len(faults)} faults")
sys.exit(bool(faults))
