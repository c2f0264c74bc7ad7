"""What the public client 0.2.0 does with a real gate: one scenario for each run, named on the command line.

The client finds the gate by its own defaults ($XDG_RUNTIME_DIR). UPSTREAM is the address of a service on loopback,
CLOSED one where nothing listens, LATCHGATE_BIN the gate's binary, for an operator's decisions.
"""

import asyncio
import os
import subprocess
import sys
import time
import uuid
from datetime import datetime, timedelta, timezone

import latchgate
from latchgate import (
    LatchGateApprovalRequired,
    LatchGateAuthError,
    LatchGateBudgetExhausted,
    LatchGateClient,
    LatchGateDenied,
    LatchGateLeaseExpired,
    LatchGateNotConnected,
    LatchGateReplayDetected,
    LatchGateTransportError,
    LatchGateUnavailable,
)

UPSTREAM = os.environ.get("UPSTREAM", "")
CLOSED = os.environ.get("CLOSED", "")
PATIENCE_S = 60


def client(**options):
    return LatchGateClient(agent_id="compat", **options)


async def raised(kind, call):
    """The exception, which must be exactly of this type: subclasses mean something else."""
    try:
        answer = await call
    except latchgate.LatchGateError as error:
        assert type(error) is kind, f"expected {kind.__name__}, got {type(error).__name__}: {error}"
        return error
    raise AssertionError(f"expected {kind.__name__}, got {answer!r}")


def operator(*arguments):
    subprocess.run([os.environ["LATCHGATE_BIN"], *arguments], check=True, stdin=subprocess.DEVNULL)


async def calls():
    async with client() as gate:
        read = await gate.execute("fs_read", {"path": "hello.txt"})
        assert read.output["text"] == "hello, gate\n", read
        assert read.verification["is_fully_successful"] is True, read
        assert read.grant_id.startswith("grnt_") and read.trace_id.startswith("trc_"), read
        assert set(read.runtime) >= {"duration_ms", "exit_code", "fuel_consumed"}, read
        assert gate.session_id.startswith("sess_") and gate.lease_jti.startswith("lse_")

        fetched = await gate.execute("http_fetch", {"url": UPSTREAM + "/page?q=1"})
        assert fetched.output["status"] == 200 and fetched.output["text"] == "a page", fetched

        for result in (read, fetched):
            receipt = await gate.get_receipt(result.receipt_id)
            assert receipt.is_fully_successful, receipt
            assert receipt.grant_id == result.grant_id, receipt
            assert receipt.provider_receipt == result.output, receipt
            assert receipt.provider_module_digest.startswith("sha256:"), receipt
            assert receipt.result_hash.startswith("sha256:"), receipt
            assert receipt.normalized_result["kind"] == "success", receipt
            assert receipt.verification_outcome["status"] == "verified", receipt
            assert receipt.failure_class is None, receipt
            started, finished = (datetime.fromisoformat(at) for at in (receipt.started_at, receipt.finished_at))
            assert started <= finished, receipt


async def egress():
    async with client() as gate:
        files = await gate.get_action_egress("fs_read")
        assert (files.profile, files.has_egress) == ("none", False), files
        web = await gate.get_action_egress("http_fetch")
        assert (web.profile, web.allowed_domains) == ("proxy_allowlist", ["*"]), web
        absent = await raised(LatchGateDenied, gate.get_action_egress("no_such_action"))
        assert "not found" in absent.reason, absent


async def held():
    note = {"path": "note.txt", "content": "from an old client\n"}
    async with client() as gate:
        held = await raised(LatchGateApprovalRequired, gate.execute("fs_write", note))
        status = await gate.get_approval_status(held.approval_id)
        assert status.is_pending and status.retry_after_seconds >= 1, status
        operator("approvals", "approve", held.approval_id, "--yes")
        until = time.monotonic() + PATIENCE_S
        while (status := await gate.get_approval_status(held.approval_id)).is_pending:
            assert time.monotonic() < until, status
        assert status.is_approved and status.receipt_id, status
        receipt = await gate.get_receipt(status.receipt_id)
        assert receipt.is_fully_successful, receipt
        again = await gate.execute("fs_write", note)
        assert again.receipt_id == status.receipt_id, again


async def held_and_denied():
    async with client() as gate:
        held = await raised(LatchGateApprovalRequired, gate.execute("fs_write", {"path": "a", "content": "b"}))
        operator("approvals", "deny", held.approval_id, "--reason", "not today")
        status = await gate.get_approval_status(held.approval_id)
        assert status.is_denied and status.reason == "not today", status
        absent = await raised(LatchGateDenied, gate.get_approval_status("appr_01JD3G0000000000000000000F"))
        assert "not found" in absent.reason, absent


async def another_lease_is_the_same_owner():
    """The client takes a new key and a new lease at each refresh; what it held stays its own."""
    async with client() as first, client() as second:
        held = await raised(LatchGateApprovalRequired, first.execute("fs_write", {"path": "a", "content": "b"}))
        await second.connect()
        assert second.session_id != first.session_id
        assert (await second.get_approval_status(held.approval_id)).is_pending
        await first.connect()
        assert (await first.get_approval_status(held.approval_id)).is_pending


async def denied():
    async with client() as gate:
        by_policy = await raised(LatchGateDenied, gate.execute("fs_read", {"path": ".env"}))
        assert by_policy.reason.startswith("policy_denied: "), by_policy
        receipt = await raised(LatchGateDenied, gate.get_receipt("rcpt_01JD3G0000000000000000000E"))
        assert "not found" in receipt.reason, receipt
        schema = await raised(LatchGateDenied, gate.execute("fs_read", {"path": 7}))
        assert schema.reason.startswith("schema_violation: "), schema
        target = await raised(LatchGateDenied, gate.execute("fs_read", {"path": "../x"}))
        assert target.reason == "invalid_target", target


async def budget_exhausted():
    async with client() as gate:
        await gate.connect(max_calls=1)
        await gate.execute("fs_read", {"path": "hello.txt"})
        await raised(LatchGateBudgetExhausted, gate.execute("fs_read", {"path": "hello.txt"}))


async def lease_expired():
    """The gate's leases live one second; the client is made to believe in a longer life."""
    async with client() as gate:
        await gate.connect()
        gate._lease_expires_at = datetime.now(tz=timezone.utc) + timedelta(hours=1)
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                await gate.execute("fs_read", {"path": "hello.txt"})
            except LatchGateLeaseExpired as error:
                assert error.code == "lease_expired", error
                break
            assert time.monotonic() < until, "the lease does not expire"
        await gate.connect()
        await gate.execute("fs_read", {"path": "hello.txt"})


async def replay_detected():
    async with client() as gate:
        await gate.connect()
        once = uuid.uuid4()
        real, uuid.uuid4 = uuid.uuid4, lambda: once
        try:
            await gate.execute("fs_read", {"path": "hello.txt"})
            error = await raised(LatchGateReplayDetected, gate.execute("fs_read", {"path": "hello.txt"}))
            assert error.code == "replay_detected", error
        finally:
            uuid.uuid4 = real
        await gate.execute("fs_read", {"path": "hello.txt"})


async def auth_error():
    async with client(public_base_url="https://another.example") as gate:
        error = await raised(LatchGateAuthError, gate.execute("fs_read", {"path": "hello.txt"}))
        assert error.code == "invalid_dpop", error
    async with client(public_base_url="http://localhost:3000") as gate:
        await gate.execute("fs_read", {"path": "hello.txt"})
        gate._lease_jwt = gate._lease_jwt[:-8] + "AAAAAAAA"
        error = await raised(LatchGateAuthError, gate.execute("fs_read", {"path": "hello.txt"}))
        assert error.code == "invalid_lease", error


async def unavailable():
    async with client() as gate:
        error = await raised(LatchGateUnavailable, gate.execute("http_fetch", {"url": CLOSED}))
        assert error.detail == "provider_failed", error


async def draining():
    async with client() as gate:
        error = await raised(LatchGateUnavailable, gate.execute("fs_read", {"path": "hello.txt"}))
        assert error.detail == "draining", error


async def transport_error():
    async with client() as gate:
        await raised(LatchGateTransportError, gate.execute("fs_read", {"path": "hello.txt"}))


async def not_connected():
    async with LatchGateClient() as gate:
        await raised(LatchGateNotConnected, gate.execute("fs_read", {"path": "hello.txt"}))
        await gate.connect(agent_id="late")
        await gate.execute("fs_read", {"path": "hello.txt"})


async def many_at_once():
    async with client() as gate:
        results = await asyncio.gather(*(gate.execute("fs_read", {"path": "hello.txt"}) for _ in range(30)))
        assert len({result.receipt_id for result in results}) == 30


assert latchgate.__version__ == "0.2.0", latchgate.__version__
SCENARIOS = [
    calls, egress, held, held_and_denied, another_lease_is_the_same_owner, denied, budget_exhausted, lease_expired,
    replay_detected, auth_error, unavailable, draining, transport_error, not_connected, many_at_once,
]
asyncio.run({scenario.__name__: scenario for scenario in SCENARIOS}[sys.argv[1]]())
