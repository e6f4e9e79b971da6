"""Fails when a locked dependency asks for a newer Rust than the crate promises; reads `cargo metadata` from stdin."""

import json
import sys


def version(text):
    return tuple(int(part) for part in text.split("."))[:2]


metadata = json.load(sys.stdin)
(promised,) = {p["rust_version"] for p in metadata["packages"] if p["id"] in metadata["workspace_members"]}
newer = [p for p in metadata["packages"] if p["rust_version"] and version(p["rust_version"]) > version(promised)]
for package in newer:
    print(f"{package['name']} {package['version']} needs Rust {package['rust_version']}, promised is {promised}")
print(f"{len(metadata['packages'])} packages looked at for Rust {promised}")
sys.exit(bool(newer))
