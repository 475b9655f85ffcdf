"""`modelyard users`: who may come in."""

import sys
import warnings
from dataclasses import asdict
from getpass import GetPassWarning
from typing import Annotated

import typer

from modelyard.registry.console import Commands, out, print_json, print_table
from modelyard.registry.errors import InvalidPassword
from modelyard.registry.identity.caller import Role

ADD_EXAMPLES = """
[bold]Examples[/bold]

  modelyard users add ada                               asks for a password

  modelyard users add ada --role admin --password-stdin < password.txt

  modelyard users add robot --role service --no-password   then: modelyard keys create robot
"""
LIST_EXAMPLES = """
[bold]Examples[/bold]

  modelyard users list

  modelyard users list --json | jq -r '.[].name'
"""
SET_EXAMPLES = """
[bold]Examples[/bold]

  modelyard users set-password ada

  modelyard users set-password ada --password-stdin < password.txt
"""
DISABLE_EXAMPLES = """
[bold]Examples[/bold]

  modelyard users disable ada

  modelyard users enable ada
"""

REMOVE_EXAMPLES = """
[bold]Examples[/bold]

  modelyard users remove ada                            asks first

  modelyard users remove robot --yes
"""

Name = Annotated[str, typer.Argument(help="The user's name.")]
FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def attach(commands: Commands) -> None:
    commands.users.command("add", epilog=ADD_EXAMPLES)(add)
    commands.users.command("list", epilog=LIST_EXAMPLES)(list_users)
    commands.users.command("set-password", epilog=SET_EXAMPLES)(set_password)
    commands.users.command("disable", epilog=DISABLE_EXAMPLES)(disable)
    commands.users.command("enable", epilog=DISABLE_EXAMPLES)(enable)
    commands.users.command("remove", epilog=REMOVE_EXAMPLES)(remove)


def add(
    name: Name,
    role: Annotated[Role, typer.Option(help="What the user may do.")] = Role.USER,
    password_stdin: FromStdin = False,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="For programs: keys only, no login.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Add a person or a program."""
    from modelyard.serving.cli.identity.directory import directory

    if no_password and password_stdin:
        raise typer.BadParameter("--no-password and --password-stdin exclude each other.")
    password = None if no_password else _password(from_stdin=password_stdin)
    with directory() as users:
        user = users.create_user(name, role, password)
    if as_json:
        print_json(asdict(user))
    else:
        out.print(f"Added {user.role} [bold]{user.name}[/bold].", highlight=False)


def list_users(as_json: AsJson = False) -> None:
    """List everybody."""
    from modelyard.serving.cli.identity.directory import directory

    with directory() as users:
        everybody = users.list_users()
    if as_json:
        print_json([asdict(user) for user in everybody])
        return
    print_table(
        ("Name", "Role", "Login", "State", "Since"),
        [
            (
                user.name,
                user.role,
                "password" if user.has_password else "keys only",
                "disabled" if user.disabled else "active",
                f"{user.created_at:%Y-%m-%d}",
            )
            for user in everybody
        ],
        empty="There are no users yet; the gateway's first start makes the admin.",
    )


def set_password(name: Name, password_stdin: FromStdin = False) -> None:
    """Set a user's password, and end the user's open sessions."""
    from modelyard.serving.cli.identity.directory import directory

    password = _password(from_stdin=password_stdin)
    with directory() as users:
        users.set_password(name, password)
    out.print(f"Set; {name}'s open sessions have ended.", highlight=False)


def disable(name: Name) -> None:
    """Shut a user out: keys and sessions stop working within 5 seconds."""
    _set_disabled(name, disabled=True)


def enable(name: Name) -> None:
    """Let a disabled user in again."""
    _set_disabled(name, disabled=False)


def remove(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove a user for good, with keys, quota, files and what goes on; usage stays."""
    from modelyard.serving.cli.identity.directory import remove_user

    if not yes and not typer.confirm(f"Remove {name} and every key of {name}?"):
        raise typer.Exit(1)
    remove_user(name)
    out.print(f"Removed {name}.", highlight=False)


def _set_disabled(name: str, *, disabled: bool) -> None:
    from modelyard.serving.cli.identity.directory import directory

    with directory() as users:
        users.set_disabled(name, disabled)
    out.print(f"{name} is {'disabled' if disabled else 'active'}.", highlight=False)


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error", GetPassWarning)
        try:
            return typer.prompt("Password", hide_input=True, confirmation_prompt=True)
        except GetPassWarning:
            raise InvalidPassword(
                "There is no terminal here on which a password can be typed unseen.",
                fix="Pass --password-stdin, with the password on standard input.",
            ) from None
