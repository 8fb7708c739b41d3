"""A way to the lock server that loses replies: while the file CUT is there, the next reply to a PUT or POST is lost, and the
file with it. The request itself arrives.

usage: cutter.py PORT UPSTREAM_PORT CUT
"""

import asyncio
import os
import sys

PORT, UPSTREAM, CUT = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]


async def serve(reader, writer):
    try:
        head = await reader.readuntil(b'\r\n\r\n')
        length = [line for line in head.lower().split(b'\r\n') if line.startswith(b'content-length:')]
        body = await reader.readexactly(int(length[0].split(b':')[1])) if length else b''
        there, out = await asyncio.open_connection('127.0.0.1', UPSTREAM)
        out.write(head.replace(b'\r\n\r\n', b'\r\nConnection: close\r\n\r\n') + body)
        answer = await there.read()
        if head.startswith((b'PUT', b'POST')) and os.path.exists(CUT):
            os.unlink(CUT)
        else:
            writer.write(answer)
        out.close()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main():
    server = await asyncio.start_server(serve, '127.0.0.1', PORT)
    await server.serve_forever()


asyncio.run(main())
