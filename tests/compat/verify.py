"""Checks an export of a ledger, or a bundle, by what docs/ledger.md says: verify.py KEY.pem DIRECTORY|BUNDLE"""

import base64, hashlib, json, sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

sha = lambda data: hashlib.sha256(data).digest()
unb64 = lambda text: base64.b64decode(text, validate=True)
unb64url = lambda text: base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
canonical = lambda value: json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
signed = lambda key, signature, data: Ed25519PublicKey.from_public_bytes(key).verify(signature, data)


def entry(line, key, seq):
    """A line that `key` signed, and the key that signs what follows."""
    value = json.loads(line)
    assert canonical(value) == line and value["v"] == 1 and value["seq"] == seq, f"entry {seq}: not as it was signed"
    signed(key, unb64url(value.pop("sig")), b"latchgate-entry-v1\n" + canonical(value))
    if value["kind"] != "key.rotated":
        return value, key
    old, new = value["old_key"], value["new_key"]
    assert unb64url(old) == key, f"entry {seq}: changes another key"
    signed(unb64url(new), unb64url(value["accepted"]), f"latchgate-key-v1\n{value['gate']}\n{seq}\n{old}\n{new}\n".encode())
    return value, unb64url(new)


def checkpoint(note, key):
    text, lines = note.split("\n\n")
    origin, size, root = (text + "\n").split("\n")[:3]
    name, blob = next(line[2:].split(" ") for line in lines.splitlines() if line.startswith(f"\u2014 {origin} "))
    blob = unb64(blob)
    assert blob[:4] == sha(name.encode() + b"\n\x01" + key)[:4], "the checkpoint is another key's"
    signed(key, blob[4:], (text + "\n").encode())
    return origin, int(size), unb64(root)


def tree(leaves):
    """RFC 6962 section 2.1."""
    while len(leaves) > 1:
        pairs = [sha(b"\1" + leaves[i] + leaves[i + 1]) for i in range(0, len(leaves) - 1, 2)]
        leaves = pairs + leaves[len(pairs) * 2 :]
    return leaves[0] if leaves else sha(b"")


def included(leaf, index, size, proof):
    """RFC 9162 section 2.1.3.2: the root that the proof leads to."""
    last, proof = size - 1, list(proof)
    while last:
        if index & 1 or index < last:
            leaf = sha(b"\1" + proof[0] + leaf) if index & 1 else sha(b"\1" + leaf + proof[0])
            del proof[0]
        index, last = index >> 1, last >> 1
    assert not proof, "the proof is too long"
    return leaf


def bundle(value, trusted):
    assert value["format"] == "latchgate-bundle-v1"
    key, found, keys = unb64url(value["key"]), [], []
    for item in value["entries"]:
        keys.append(key)
        one, key = entry(item["entry"].encode(), key, item["index"])
        found.append(one)
    assert trusted in keys + [key], "no key of the bundle is the one that is trusted"
    origin, size, root = checkpoint(value["checkpoint"], key)
    for item, one in zip(value["entries"], found):
        leaf = sha(b"\0" + item["entry"].encode())
        assert item["index"] < size and one["gate"] == origin
        assert included(leaf, item["index"], size, map(unb64, item["proof"])) == root, "not in the signed log"
    calls = [one["call"] for one in found if one["kind"] == "call.intent"]
    named = {"arguments": [call["args_digest"] for call in calls], "plan": [call["plan"]["digest"] for call in calls]}
    named["result"] = [one["result"]["digest"] for one in found if one["kind"] == "call.outcome" and "result" in one]
    for item in value.get("payloads", []):
        digest = "sha256:" + sha(unb64(item["salt"]) + canonical(item["value"])).hex()
        assert digest in named[item["of"]], f"{item['of']}: not what the entry names"
    return len(found)


def export(directory, trusted):
    log = b"".join(path.read_bytes() for path in sorted((directory / "log").iterdir()))
    lines = log.split(b"\0")[0].split(b"\n")[:-1]
    key, keys = unb64url(json.loads(lines[0])["entry_key"]), []
    gates = set()
    for seq, line in enumerate(lines):
        keys.append(key)
        one, key = entry(line, key, seq)
        gates.add(one["gate"])
    note = (directory / "checkpoint").read_text()
    origin, size, root = checkpoint(note, (keys + [key])[int(note.split("\n")[1])])
    assert trusted in keys + [key], "no key of the log is the one that is trusted"
    leaves = [sha(b"\0" + line) for line in lines]
    assert gates == {origin} and size <= len(lines) and tree(leaves[:size]) == root, "not the log that was signed over"
    for n in range(0, size, 256):
        width = min(256, size - n)
        path = f"{n // 256:03}" + ("" if width == 256 else f".p/{width}")
        assert (directory / "tile/0" / path).read_bytes() == b"".join(leaves[n : n + width]), "a tile is another's"
        bundled = b"".join(len(line).to_bytes(2, "big") + line for line in lines[n : n + width])
        assert (directory / "tile/entries" / path).read_bytes() == bundled, "a bundle of entries is another's"
    return len(lines)


if __name__ == "__main__":
    public = load_pem_public_key(Path(sys.argv[1]).read_bytes()).public_bytes(Encoding.Raw, PublicFormat.Raw)
    what = Path(sys.argv[2])
    print(export(what, public) if what.is_dir() else bundle(json.loads(what.read_text()), public), "entries verified")
