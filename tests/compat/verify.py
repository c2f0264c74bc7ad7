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

def entry(line, key, seq):  # a line that `key` signed, and the key that signs what follows
    value = json.loads(line)
    assert canonical(value) == line and value["v"] == 1 and value["seq"] == seq, f"entry {seq}: not as it was signed"
    signed(key, unb64url(value.pop("sig")), b"latchgate-entry-v1\n" + canonical(value))
    if value["kind"] == "key.rotated":
        (old, new), agreed = (value["old_key"], value["new_key"]), unb64url(value["accepted"])
        assert unb64url(old) == key, f"entry {seq}: changes another key"
        key = unb64url(new)
        signed(key, agreed, f"latchgate-key-v1\n{value['gate']}\n{seq}\n{old}\n{new}\n".encode())
    return value, key

def checkpoint(note, key):
    text, lines = note.split("\n\n")
    origin, size, root = (text + "\n").split("\n")[:3]
    blob = unb64(next(line for line in lines.splitlines() if line.startswith(f"\u2014 {origin} ")).split(" ")[2])
    assert blob[:4] == sha(origin.encode() + b"\n\x01" + key)[:4], "the checkpoint is another key's"
    signed(key, blob[4:], (text + "\n").encode())
    return origin, int(size), unb64(root)

def tree(leaves):  # RFC 6962 section 2.1
    if len(leaves) < 2:
        return leaves[0] if leaves else sha(b"")
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sha(b"\1" + tree(leaves[:split]) + tree(leaves[split:]))

def included(leaf, index, last, proof):  # RFC 9162 section 2.1.3.2: the root that the proof leads to
    while last:
        if index & 1 or index < last:
            leaf = sha(b"\1" + proof.pop(0) + leaf) if index & 1 else sha(b"\1" + leaf + proof.pop(0))
        index, last = index >> 1, last >> 1
    assert not proof, "the proof is too long"
    return leaf

def bundle(value, trusted):
    assert value["format"] == "latchgate-bundle-v1"
    found, keys = [], [unb64url(value["key"])]
    for item in value["entries"]:
        one, key = entry(item["entry"].encode(), keys[-1], item["index"])
        found, keys = found + [one], keys + [key]
    assert trusted in keys, "no key of the bundle is the one that is trusted"
    origin, size, root = checkpoint(value["checkpoint"], keys[-1])
    for item, one in zip(value["entries"], found):
        leaf, path = sha(b"\0" + item["entry"].encode()), list(map(unb64, item["proof"]))
        assert item["index"] < size and one["gate"] == origin, "an entry of another log"
        assert included(leaf, item["index"], size - 1, path) == root, "not in the signed log"
    calls = [one["call"] for one in found if one["kind"] == "call.intent"]
    named = {"arguments": [call["args_digest"] for call in calls], "plan": [call["plan"]["digest"] for call in calls],
             "result": [one["result"]["digest"] for one in found if one["kind"] == "call.outcome" and "result" in one]}
    for item in value.get("payloads", []):
        digest = "sha256:" + sha(unb64(item["salt"]) + canonical(item["value"])).hex()
        assert digest in named[item["of"]], f"{item['of']}: not what the entry names"
    return len(found)

def export(directory, trusted):
    lines = b"".join(path.read_bytes() for path in sorted((directory / "log").iterdir())).split(b"\0")[0].split(b"\n")[:-1]
    keys, note = [unb64url(json.loads(lines[0])["entry_key"])], (directory / "checkpoint").read_text()
    for seq, line in enumerate(lines):
        one, key = entry(line, keys[-1], seq)
        assert one["gate"] == note.split("\n")[0], "an entry of another log"
        keys.append(key)
    assert trusted in keys, "no key of the log is the one that is trusted"
    origin, size, root = checkpoint(note, keys[int(note.split("\n")[1])])
    leaves = [sha(b"\0" + line) for line in lines]
    assert size <= len(lines) and tree(leaves[:size]) == root, "not the log that was signed over"
    for n in range(0, size, 256):
        end = min(n + 256, size)
        path = f"{n // 256:03}" + ("" if end == n + 256 else f".p/{end - n}")
        assert (directory / "tile/0" / path).read_bytes() == b"".join(leaves[n:end]), "a tile is another's"
        bundled = b"".join(len(line).to_bytes(2, "big") + line for line in lines[n:end])
        assert (directory / "tile/entries" / path).read_bytes() == bundled, "a bundle of entries is another's"
    return len(lines)

public = load_pem_public_key(Path(sys.argv[1]).read_bytes()).public_bytes(Encoding.Raw, PublicFormat.Raw)
what = Path(sys.argv[2])
print(export(what, public) if what.is_dir() else bundle(json.loads(what.read_text()), public), "entries verified")
