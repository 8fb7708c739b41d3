"""Machines to log in to: ssh on 127.7.0.1 to 127.7.0.N, port 22, that run nothing and answer canned text.

usage: sshd.py NUMBER AUTHORIZED_KEY_FILE READY_FILE
"""

import asyncio
import sys

import asyncssh

NUMBER, KEY, READY = int(sys.argv[1]), asyncssh.read_public_key(sys.argv[2]), sys.argv[3]
RELEASE = 'NAME="Ubuntu"\nID=ubuntu\nID_LIKE=debian\nVERSION_ID="22.04"\nVERSION="22.04.5 LTS"\nVERSION_CODENAME=jammy\n'
DRAIN = ('dd of=', 'tee ', 'cat >', 'tar x', 'python')


def answer(command):
    if 'os-release' in command:
        return RELEASE, 0
    if command.strip() == 'uname -m':
        return 'x86_64\n', 0
    if 'containerenv' in command or command.startswith('test -e'):
        return '', 1
    if 'getenforce' in command:
        return 'Disabled\n', 0
    if 'which' in command:
        return '/usr/bin/x\n', 0
    return '', 0


class Server(asyncssh.SSHServer):
    def public_key_auth_supported(self):
        return True

    def validate_public_key(self, username, key):
        return username == 'ubuntu' and key == KEY


async def run(process):
    command = process.command or ''
    out, status = answer(command)
    if any(word in command for word in DRAIN):
        await process.stdin.read()
    process.stdout.write(bytes(10240) if 'tar c' in command else out.encode())
    process.exit(status)


async def main():
    host_key = asyncssh.generate_private_key('ssh-ed25519')
    for number in range(1, NUMBER + 1):
        await asyncssh.create_server(
            Server, f'127.7.0.{number}', 22, server_host_keys=[host_key], process_factory=run, sftp_factory=True, encoding=None
        )
    with open(READY, 'w') as ready:
        ready.write('ready')
    await asyncio.Event().wait()


asyncio.run(main())
