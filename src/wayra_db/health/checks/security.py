"""Who may come in, and by which door. Pure.

On a development database most of this is as it should be, so that there it is only told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wayra_db.health.checks.model import Check, Context
from wayra_db.health.facts import Facts, User, known
from wayra_db.health.findings import Finding, Severity, found

DEFAULT_PORT = 27017
# Roles that reach beyond one database, or may give rights to themselves (manual, Built-In Roles).
BROAD = frozenset(
    {
        "root",
        "__system",
        "readWriteAnyDatabase",
        "dbAdminAnyDatabase",
        "userAdminAnyDatabase",
        "userAdmin",
        "dbOwner",
        "clusterAdmin",
        "clusterManager",
        "hostManager",
        "restore",
        "backup",
    }
)


def _serious(context: Context, severity: Severity) -> Severity:
    return severity if context.production else "info"


def _auth(facts: Facts, context: Context) -> Iterator[Finding]:
    listening = known(facts.server.listening)
    if listening is not None and listening.open_to_others and not listening.authorization:
        # Whoever reaches it may do everything: that is a fault in every environment.
        yield found(
            "error",
            f"the server asks for no password and listens on {', '.join(listening.bind_addresses)}",
            evidence={"bindAddresses": list(listening.bind_addresses), "port": listening.port},
            advice="Start it with --auth and create users first, or bind it to 127.0.0.1.",
        )


def _tls(facts: Facts, context: Context) -> Iterator[Finding]:
    listening, machine = known(facts.server.listening), facts.machine
    if machine.remote and machine.tls is False:
        yield found(
            _serious(context, "error"),
            f"the connection to {', '.join(machine.hosts)} is not encrypted: password and data can be read on the way",
            evidence={"hosts": list(machine.hosts)},
            advice="Add tls=true to MONGODB_URI, and tlsCAFile where the certificate is your own.",
        )
    elif listening is not None and listening.open_to_others and listening.tls_mode in ("disabled", "allowTLS"):
        yield found(
            _serious(context, "warning"),
            f"the server listens on {', '.join(listening.bind_addresses)} and takes connections without TLS",
            evidence={"bindAddresses": list(listening.bind_addresses), "tlsMode": listening.tls_mode},
            advice="Set net.tls.mode to requireTLS.",
        )


def _port(facts: Facts, context: Context) -> Iterator[Finding]:
    listening = known(facts.server.listening)
    if listening is not None and listening.open_to_others and listening.port == DEFAULT_PORT:
        yield found(
            "info",
            f"the server listens on MongoDB's own port {DEFAULT_PORT} on {', '.join(listening.bind_addresses)}",
            evidence={"port": listening.port},
            advice="It is the first that scanners try: let the firewall pass only the hosts that need it.",
        )


def broad(user: User) -> list[str]:
    """The roles of a user that reach too far."""
    return [role for role in user.roles if role.partition("@")[0] in BROAD]


def _own_roles(facts: Facts, context: Context) -> Iterator[Finding]:
    roles = known(facts.server.own_roles)
    wide = broad(User("", roles)) if roles else []
    if wide:
        yield found(
            _serious(context, "warning"),
            f"this connection's user has more rights than one database needs: {', '.join(wide)}",
            evidence={"roles": wide},
            advice="readWrite and dbAdmin on the database are enough, and clusterMonitor for the checks: "
            "db.revokeRolesFromUser.",
        )


def _users(facts: Facts, context: Context) -> Iterator[Finding]:
    users = known(facts.server.users) or ()
    wide = {user.name: roles for user in users if (roles := broad(user))}
    # One administrator there has to be.
    if len(wide) > 1:
        yield found(
            _serious(context, "warning"),
            f"{len(wide)} users have roles that reach beyond one database: {', '.join(wide)}",
            evidence={"users": [{"user": name, "roles": roles} for name, roles in wide.items()]},
            advice="Keep one for administration, and give applications readWrite on their own database.",
        )


def _uri(facts: Facts, context: Context) -> Iterator[Finding]:
    if place := facts.machine.uri_in_file:
        yield found(
            "warning",
            f"a password stands in {place}",
            evidence={"place": place},
            advice="Whoever reads the repository has it: set MONGODB_URI instead, and change the password.",
        )


def _files(facts: Facts, context: Context) -> Iterator[Finding]:
    files = known(facts.machine.loose_files) or ()
    severity: Severity
    for others_may, severity in (("write", "error"), ("read", _serious(context, "warning"))):
        these = [one for one in files if one.others_may == others_may]
        if these:
            first = these[0]
            more = f" and {len(these) - 1} more" if len(these) > 1 else ""
            bits = "o-w" if others_may == "write" else "go-rwx"
            yield found(
                severity,
                f"others may {others_may} {first.path} ({first.mode}){more}: {first.why}",
                evidence={"files": [{"path": one.path, "mode": one.mode} for one in these]},
                advice="Take the right away",
                command=f"chmod {bits} {' '.join(one.path for one in these[:5])}",
            )


CHECKS: Sequence[Check] = (
    Check(
        "auth-off",
        "security",
        "No password on an open door",
        "Databases that listen to the world and ask for nothing are found and held to ransom within hours.",
        _auth,
        lambda facts: (facts.server.listening,),
    ),
    Check(
        "tls-off",
        "security",
        "No TLS",
        "Passwords and documents can be read and changed on the way.",
        _tls,
        lambda facts: (facts.server.listening,),
    ),
    Check(
        "port-default",
        "security",
        "The default port is open",
        "It is the first that scanners try.",
        _port,
        lambda facts: (facts.server.listening,),
    ),
    Check(
        "roles-own",
        "security",
        "This connection may do too much",
        "A mistake, or somebody who has the password, then reaches every database.",
        _own_roles,
        lambda facts: (facts.server.own_roles,),
    ),
    Check(
        "roles-broad",
        "security",
        "Users with too broad roles",
        "Each of them is a way into every database.",
        _users,
        lambda facts: (facts.server.users,),
    ),
    Check(
        "uri-in-file",
        "security",
        "A password in the project's file",
        "The file is in version control.",
        _uri,
    ),
    Check(
        "files-loose",
        "security",
        "Files with loose permissions",
        "Migrations are code that runs with your rights; backups hold all data.",
        _files,
        lambda facts: (facts.machine.loose_files,),
    ),
)
