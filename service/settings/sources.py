"""`[sources.NAME]`: the helpdesks, their secrets and the mapping of their payloads."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Protocol

import jmespath
import jmespath.exceptions
import jmespath.functions

from service.settings.environment import Environment
from service.settings.model import Secret, SourceSettings
from service.settings.tables import Table, nearest, type_name

MAP_KEYS = (
    "contact_id",
    "thread_id",
    "message",
    "ticket_id",
    "ticket_status",
    "event_id",
    "message_id",
    "author",
    "customer_email",
    "customer_external_id",
    "occurred_at",
)
"""The fields of an event that [sources.NAME.map] may find for itself."""


class Kind(Protocol):
    """What settings ask of a kind of source."""

    @property
    def needs_secret(self) -> bool:
        """Whether nothing can be verified without a secret of the user's."""

    @property
    def options(self) -> Collection[str]:
        """The names of the keys that only this kind knows."""

    def option_faults(self, options: Mapping[str, object]) -> list[str]:
        """Answer what is wrong with the options, each fault beginning with its key."""

    def check_secret(self, secret: str, options: Mapping[str, object]) -> str | None:
        """Answer what is wrong with the secret, without repeating it, or None."""


def read_sources(
    env: Environment, table: Table, kinds: Mapping[str, Kind], *, secrets_needed: bool
) -> dict[str, SourceSettings]:
    sources: dict[str, SourceSettings] = {}
    for name in table:
        source = table.table(name)
        if not _NAME.fullmatch(name):
            table.fault(
                name, "a source's name has up to 64 of a-z, 0-9, - and _, and starts with a letter or digit"
            )
        elif name in _RESERVED_NAMES:
            table.fault(name, "this name is taken by reopens that are started through the API")
        else:
            sources[name] = read_source(env, name, source, kinds, secrets_needed=secrets_needed)
    return sources


def read_source(
    env: Environment,
    name: str,
    table: Table,
    kinds: Mapping[str, Kind],
    *,
    secrets_needed: bool,
    unproven: list[str] | None = None,
) -> SourceSettings:
    """Answer one source. Where `unproven` is given, what is wrong with secrets and with the options that
    say how deliveries are proven authentic is noted there: the payload can be read without.
    """
    defaults = SourceSettings(name=name, kind="")
    kind_name = _kind_name(table, kinds)
    kind = kinds.get(kind_name)
    options = {key: table.raw(key) for key in table if kind is not None and key in kind.options}
    option_faults = kind.option_faults(options) if kind is not None else []
    proof_env, proof = (env, table) if unproven is None else (env.noting(unproven), table.noting(unproven))
    proof.add_faults(option_faults)
    source = SourceSettings(
        name=name,
        kind=kind_name,
        # With options at fault, a kind cannot judge a secret.
        secrets=_secrets(proof_env, proof, kind, None if option_faults else options, needed=secrets_needed),
        tolerance_seconds=table.number(
            "tolerance_seconds", defaults.tolerance_seconds, above=0, at_most=86_400
        ),
        lookup=table.choice("lookup", defaults.lookup, ("none", "email")),
        map=read_map(table.table("map")),
        options=options,
    )
    if kind is not None:
        table.refuse_unknown(kind.options)
    return source


def _kind_name(table: Table, kinds: Mapping[str, Kind]) -> str:
    name = table.text("kind", "")
    if "kind" not in table:
        table.fault("kind", f"missing; set one of {', '.join(sorted(kinds))}")
        for key in table:
            if meant := nearest(key, ["kind"]):
                table.fault(key, f"unknown key{meant}")
    elif isinstance(table.raw("kind"), str) and name not in kinds:
        table.fault("kind", f"unknown{nearest(name, kinds)} (known: {', '.join(sorted(kinds))})")
    return name


def _secrets(
    env: Environment, table: Table, kind: Kind | None, options: Mapping[str, object] | None, *, needed: bool
) -> tuple[Secret, ...]:
    secrets = []
    for key, variable in _secret_variables(table, may_be_absent=kind is not None and not kind.needs_secret):
        text = env.text(variable)
        if text is None:
            if needed:
                table.fault(key, _missing_secret(env, variable))
            continue
        wrong = kind.check_secret(text, options) if kind is not None and options is not None else None
        if wrong is not None:
            env.fault(variable, f"{wrong} (secret of {table.path})")
        secrets.append(Secret(text))
    return tuple(secrets)


def _secret_variables(table: Table, *, may_be_absent: bool) -> Iterator[tuple[str, str]]:
    """Yield key and variable name of each secret; anything else there is a fault."""
    single, several = table.raw("secret_env"), table.raw("secret_envs")
    if single is None and several is None and may_be_absent:
        return
    if (single is None) == (several is None):
        table.fault("secret_env", "name one environment variable here, or several in secret_envs (not both)")
    elif single is not None:
        if _is_variable_name(single):
            yield "secret_env", str(single)
        else:
            table.fault("secret_env", _NOT_A_VARIABLE)
    elif not isinstance(several, list) or not several:
        table.fault("secret_envs", f"must be a list of variable names, not {type_name(several)}")
    else:
        for index, variable in enumerate(several):
            if not _is_variable_name(variable):
                table.fault(f"secret_envs[{index}]", _NOT_A_VARIABLE)
            elif variable in several[:index]:
                table.fault(f"secret_envs[{index}]", "names the same variable again")
            else:
                yield f"secret_envs[{index}]", variable


def _is_variable_name(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value) is not None


def _missing_secret(env: Environment, variable: str) -> str:
    state = "is empty" if env.is_empty(variable) else "is not set"
    # A secret that was put here in place of a variable's name is hardly in upper case throughout.
    if re.fullmatch(r"[A-Z][A-Z0-9_]{0,63}", variable):
        return f"{variable} {state} in the environment"
    return f"the environment variable named here {state}; {_NOT_A_VARIABLE}"


def read_map(table: Table) -> dict[str, str]:
    """Answer the expressions of a map, each of which compiles."""
    expressions = {}
    for key in MAP_KEYS:
        if key not in table:
            continue
        expression = table.text(key, "")
        fault = _expression_fault(expression) if isinstance(table.raw(key), str) else None
        if fault is not None:
            table.fault(key, fault)
        expressions[key] = expression
    table.refuse_unknown(MAP_KEYS)
    return expressions


def _expression_fault(expression: str) -> str | None:
    try:
        parsed = jmespath.compile(expression)
    except jmespath.exceptions.EmptyExpressionError:
        return "is empty; it must be a JMESPath expression like data.contact_id"
    except jmespath.exceptions.ParseError as error:
        return f"is not a JMESPath expression: look at character {error.lex_position + 1}"
    except jmespath.exceptions.LexerError as error:
        return f"is not a JMESPath expression: look at character {error.lexer_position + 1}"
    # jmespath itself finds a wrong function name only when it meets a payload.
    functions = jmespath.functions.Functions.FUNCTION_TABLE
    for name in _function_names(parsed.parsed):
        if name not in functions:
            return f"JMESPath has no function {name}(){nearest(name, functions)}"
    return None


def _function_names(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if node.get("type") == "function_expression":
            yield str(node["value"])
        for child in node.get("children", ()):
            yield from _function_names(child)


_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
# Reopens started with POST /api/reopens have it as their source; two name spaces of ids must not mix.
_RESERVED_NAMES = frozenset({"api"})
_NOT_A_VARIABLE = "put the name of an environment variable here, not the secret itself"
