"""What the public Python client of MCP does with the adapter: one scenario for each run, named on the command line.

Works with `mcp` 1.x, which begins with a handshake, and 2.x, which begins without one. ADAPTER is the adapter's binary and
LATCHGATE_BIN the gate's, for an operator's decisions. `reconnect` says `restart` and goes on with the next line it reads.
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from importlib.metadata import version

import mcp
from mcp import StdioServerParameters
from mcp.client.stdio import stdio_client

IS_FIRST = version("mcp").startswith("1.")
PATIENCE_S = 60


@contextlib.asynccontextmanager
async def connected():
    server = StdioServerParameters(command=os.environ["ADAPTER"], args=["serve"], env=dict(os.environ))
    if IS_FIRST:
        async with stdio_client(server) as (read, write), mcp.ClientSession(read, write) as session:
            await session.initialize()
            yield session
    else:
        async with mcp.Client(server) as client:
            yield client


async def call(client, tool, arguments):
    """Whether it is an error, the text and the structured content."""
    result = await client.call_tool(tool, arguments)
    is_error = result.isError if IS_FIRST else result.is_error
    structured = result.structuredContent if IS_FIRST else result.structured_content
    return is_error, result.content[0].text, structured


def operator(*arguments):
    """Runs beside the event loop, which has the adapter's answers to read."""
    command = [os.environ["LATCHGATE_BIN"], *arguments]
    return asyncio.to_thread(subprocess.check_output, command, stdin=subprocess.DEVNULL, text=True)


async def held():
    """The approvals that wait, as the operator sees them."""
    return json.loads(await operator("approvals", "list", "--json"))["approvals"]


async def until(condition):
    async with asyncio.timeout(PATIENCE_S):
        while not (found := await condition()):
            await asyncio.sleep(0.05)
        return found


async def lists():
    async with connected() as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert {"fs_read", "fs_write", "latchgate_my_pending"} <= set(tools), sorted(tools)
        schema = tools["fs_read"].inputSchema if IS_FIRST else tools["fs_read"].input_schema
        assert schema["required"] == ["path"], schema
        uris = {str(resource.uri) for resource in (await client.list_resources()).resources}
        assert uris == {"latchgate://actions", "latchgate://status"}, uris
        status = await client.read_resource("latchgate://status")
        assert json.loads(status.contents[0].text)["gate"]["status"] == "ready", status


async def calls():
    async with connected() as client:
        is_error, text, structured = await call(client, "fs_read", {"path": "hello.txt"})
        assert not is_error, text
        assert structured["text"] == "hello, gate\n", structured
        many = [call(client, "fs_read", {"path": f"many/{n}.txt"}) for n in range(32)]
        answers = [structured["text"] for _, _, structured in await asyncio.gather(*many)]
        assert answers == [str(n) for n in range(32)], answers


async def denied():
    async with connected() as client:
        is_error, text, _ = await call(client, "fs_read", {"path": ".env"})
        assert is_error and text.startswith("policy_denied: ") and "Next: " in text, text
        is_error, text, _ = await call(client, "fs_read", {"path": "hello.txt"})
        assert not is_error, text


async def approved():
    async with connected() as client:
        writing = asyncio.create_task(call(client, "fs_write", {"path": "note.txt", "content": "from python\n"}))
        [approval] = await until(held)
        assert not writing.done()
        await operator("approvals", "approve", approval["approval_id"], "--yes")
        is_error, text, structured = await writing
        assert not is_error and structured["path"] == "note.txt", text


async def cancelled():
    async with connected() as client:
        writing = asyncio.create_task(client.call_tool("fs_write", {"path": "never.txt", "content": "x"}))
        await until(held)
        if IS_FIRST:
            # Version 1 tells no server that it stopped waiting: a client that wants that says so itself.
            id = client._request_id - 1
            params = mcp.types.CancelledNotificationParams(requestId=id)
            await client.send_notification(
                mcp.types.ClientNotification(
                    mcp.types.CancelledNotification(method="notifications/cancelled", params=params)
                )
            )
        writing.cancel()

        async def none_is_held():
            return not await held()

        await until(none_is_held)
        is_error, text, _ = await call(client, "fs_read", {"path": "hello.txt"})
        assert not is_error, text


async def reconnects():
    async with connected() as client:
        assert not (await call(client, "fs_read", {"path": "hello.txt"}))[0]
        print("restart", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        is_error, text, structured = await call(client, "fs_read", {"path": "hello.txt"})
        assert not is_error and structured["text"] == "hello, gate\n", text


asyncio.run(globals()[sys.argv[1]]())
