"""`tollway secret …`: the local vault, and hashes of client secrets. No secret ever stands on the command line."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tollway.cli.subparsers import Subparsers

if TYPE_CHECKING:
    from tollway.config.vault import Vault
    from tollway.interfaces.secrets import Secret

_DATA_DIR = Path("tollway-data")


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add the command."""
    parser = subparsers.add_parser(
        "secret",
        help="keep secrets in the local vault",
        description="Keep secrets in the local vault, where configurations find them as ${vault:NAME}.",
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=_DATA_DIR,
        metavar="DIR",
        help="the gateway's data folder (default: %(default)s)",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True, dest="action")
    storing = actions.add_parser("set", help="store a secret, read from stdin or asked for")
    storing.add_argument("name", metavar="NAME")
    actions.add_parser("list", help="list the names of all secrets")
    deleting = actions.add_parser("delete", help="remove a secret")
    deleting.add_argument("name", metavar="NAME")
    actions.add_parser("rotate", help="encrypt all secrets with a new master key")
    actions.add_parser("hash", help="print the hash of a client secret, read from stdin or asked for")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Do the action; 1 when the vault cannot."""
    from tollway.config.vault import VaultError  # noqa: PLC0415 - heavy, and not needed for --help

    try:
        if arguments.action == "hash":
            return _hash()
        return _act(arguments, _vault(arguments.data))
    except (VaultError, OSError) as error:
        print(f"tollway secret: {error}", file=sys.stderr)
        return 1


def _act(arguments: argparse.Namespace, vault: "Vault") -> int:
    name: str = getattr(arguments, "name", "")
    if arguments.action == "set":
        vault.set(name, _given_secret(f"Value of {name}: "))
        print(f"stored; write ${{vault:{name}}} where it is needed")
    elif arguments.action == "delete":
        vault.delete(name)
        print(f"deleted {name}")
    elif arguments.action == "rotate":
        count = vault.rotate()
        print(f"{count} secret{'' if count == 1 else 's'} encrypted with a new master key")
    else:
        for known in vault.names():
            print(known)
    return 0


def _hash() -> int:
    from tollway.snapshot.client_secrets import written_hash  # noqa: PLC0415

    secret = _given_secret("Client secret: ").reveal()
    if not secret:
        print("tollway secret: empty; give the client secret on stdin", file=sys.stderr)
        return 1
    print(written_hash(secret))
    return 0


def _vault(data_dir: Path) -> "Vault":
    import os  # noqa: PLC0415

    from tollway.config.vault import MASTER_KEY_VARIABLES, Vault  # noqa: PLC0415

    return Vault(data_dir, master_keys=[os.environ[name] for name in MASTER_KEY_VARIABLES if os.environ.get(name)])


def _given_secret(prompt: str) -> "Secret":
    """Read a secret from a pipe, or ask for it without showing it. One line break at the end is not part of it."""
    from getpass import getpass  # noqa: PLC0415

    from tollway.interfaces.secrets import Secret  # noqa: PLC0415

    text = getpass(prompt) if sys.stdin.isatty() else sys.stdin.read()
    return Secret(text.removesuffix("\n").removesuffix("\r"))
