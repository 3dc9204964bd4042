"""Who may do what: users, tokens, sessions, and the log of who saw which chart.

Passwords are hashed by Argon2id (argon2-cffi's defaults, RFC 9106). Tokens and session keys are 256 random bits, of which the
database holds the SHA-256: nothing that is stored lets anybody in.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, and_, delete, func, insert, select, update

from codesuggest.decisions.database import reading, writing
from codesuggest.desk.errors import LoginError, MissingChartError, TooManyTriesError
from codesuggest.desk.settings import DeskSettings
from codesuggest.desk.tables import access, create_tables, sessions, stamp, tokens, users
from codesuggest.errors import ConfigError, PrerequisiteError

if TYPE_CHECKING:
    from argon2 import PasswordHasher

__all__ = ["ROLES", "Access", "Identity", "People", "Session", "Token", "User", "note_access", "now"]

ROLES: tuple[str, ...] = ("coder", "auditor", "manager", "service")
_MIN_PASSWORD = 12
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_TOKEN_PREFIX = "cs_"  # noqa: S105 - what a token begins with, so that scanners of sources find leaked ones
_SEEN_EVERY_S = 60


def now() -> dt.datetime:
    """Return the time in UTC."""
    return dt.datetime.now(dt.UTC)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks.

    Parameters
    ----------
    user : str
    role : str
        One of `ROLES`.
    address : str
        Where the request came from.
    csrf_token : str
        What an unsafe request must bring along; empty for a bearer token, which no browser sends by itself.
    expires_at : str
    """

    user: str
    role: str
    address: str = ""
    csrf_token: str = ""
    expires_at: str = ""


@dataclass(frozen=True, slots=True)
class User:
    """A person, as `codesuggest desk user list` prints."""

    name: str
    role: str
    disabled: bool
    created_at: str


@dataclass(frozen=True, slots=True)
class Token:
    """A token, as `codesuggest desk token list` prints; what it says was shown once, when it was made."""

    token_id: str
    name: str
    role: str
    created_at: str
    expires_at: str
    revoked_at: str | None


@dataclass(frozen=True, slots=True)
class Session:
    """A new session and the key that the cookie holds."""

    key: str
    identity: Identity


@dataclass(frozen=True, slots=True)
class Access:
    """A line of the access log."""

    seq: int
    at: str
    who: str
    role: str
    action: str
    encounter_id: str | None
    outcome: str
    address: str


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _csrf(key: str) -> str:
    return hmac.new(key.encode(), b"csrf", hashlib.sha256).hexdigest()


def note_access(
    connection: Connection, who: Identity, action: str, encounter_id: str | None = None, outcome: str = "allowed"
) -> None:
    """Write a line of the access log, in the transaction of what it is about."""
    row = {
        "at": stamp(now()),
        "who": who.user[:200],
        "role": who.role,
        "action": action,
        "encounter_id": encounter_id,
        "outcome": outcome,
        "address": who.address[:60],
    }
    connection.execute(insert(access).values(row))


class People:
    """The users, tokens and sessions of a desk.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    settings : DeskSettings, optional
    clock : callable, optional
        Gives the time in UTC; for tests.
    """

    def __init__(self, engine: Engine, settings: DeskSettings | None = None, *, clock: Callable[[], dt.datetime] = now) -> None:
        self.engine = engine
        self.settings = settings or DeskSettings()
        self.clock = clock
        self._hasher: PasswordHasher | None = None
        self._nobody = ""
        create_tables(engine)

    # -- users -------------------------------------------------------------------------------------------------------

    def add_user(self, name: str, role: str, password: str) -> User:
        """Add a person.

        Raises
        ------
        ConfigError
            CS630 when the name, role or password will not do, or the name is taken.
        """
        if not _NAME.fullmatch(name):
            raise ConfigError(
                "CS630", f"The name {name[:80]!r} will not do. Expected 1 to 64 letters, digits and . _ @ -. Choose another."
            )
        if role not in ROLES[:3]:
            raise ConfigError(
                "CS630", f"The role {role!r} is not one of a person. Expected {', '.join(ROLES[:3])}. Programs get a token."
            )
        hashed = self._hash(password)
        made = stamp(self.clock())
        with writing(self.engine) as connection:
            if connection.execute(select(users.c.name).where(func.lower(users.c.name) == name.lower())).first():
                raise ConfigError(
                    "CS630", f"There is a user {name!r} already. Expected a new name. Choose another, or change the password."
                )
            connection.execute(insert(users).values(name=name, role=role, password_hash=hashed, disabled=False, created_at=made))
            note_access(connection, Identity(name, role, "console"), "user added")
        return User(name, role, False, made)

    def users(self) -> tuple[User, ...]:
        """All users, by name."""
        with reading(self.engine) as connection:
            rows = connection.execute(
                select(users.c.name, users.c.role, users.c.disabled, users.c.created_at).order_by(users.c.name)
            )
            return tuple(User(r.name, r.role, bool(r.disabled), r.created_at) for r in rows)

    def user(self, name: str) -> User:
        """One user.

        Raises
        ------
        MissingChartError
            CS631 when there is none of the name.
        """
        found = next((u for u in self.users() if u.name == name), None)
        if found is None:
            raise MissingChartError(
                "CS631", f"There is no user {name[:80]!r}. Expected one of `codesuggest desk user list`. Add the user first."
            )
        return found

    def set_password(self, name: str, password: str) -> None:
        """Give a user another password, and end the user's sessions."""
        self.user(name)
        hashed = self._hash(password)
        with writing(self.engine) as connection:
            connection.execute(update(users).where(users.c.name == name).values(password_hash=hashed))
            connection.execute(delete(sessions).where(sessions.c.name == name))
            note_access(connection, Identity(name, "", "console"), "password changed")

    def disable(self, name: str, *, disabled: bool = True) -> None:
        """Keep a user out (or let in again); sessions and tokens of the user end at once."""
        self.user(name)
        with writing(self.engine) as connection:
            connection.execute(update(users).where(users.c.name == name).values(disabled=disabled))
            if disabled:
                connection.execute(delete(sessions).where(sessions.c.name == name))
            note_access(connection, Identity(name, "", "console"), "user disabled" if disabled else "user enabled")

    def _hash(self, password: str) -> str:
        if len(password) < _MIN_PASSWORD or len(password) > 1000:
            raise ConfigError(
                "CS630", f"The password has {len(password)} characters. Expected {_MIN_PASSWORD} to 1,000. Choose another."
            )
        return self._argon.hash(password)

    @property
    def _argon(self) -> PasswordHasher:
        if self._hasher is None:
            try:
                from argon2 import PasswordHasher
            except ModuleNotFoundError as error:
                raise PrerequisiteError(
                    "CS632",
                    "The desk needs the package argon2-cffi, which is not installed. Install it: pip install 'codesuggest[desk]'.",
                ) from error
            self._hasher = PasswordHasher()
            self._nobody = self._hasher.hash(secrets.token_hex(16))
        return self._hasher

    def _verify(self, hashed: str, password: str) -> bool:
        from argon2.exceptions import Argon2Error, InvalidHashError

        try:
            return self._argon.verify(hashed, password)
        except (Argon2Error, InvalidHashError):
            return False

    # -- sessions ----------------------------------------------------------------------------------------------------

    def log_in(self, name: str, password: str, address: str) -> Session:
        """Open a session.

        Raises
        ------
        TooManyTriesError
            CS604 after too many failures from this address, or of this name.
        LoginError
            CS601 when name or password is wrong, or the user is disabled; it does not say which.
        """
        when = self.clock()
        asking = Identity(name, "", address)
        argon = self._argon
        with reading(self.engine) as connection:
            self._refuse_guessing(connection, name, address, when)
            row = connection.execute(select(users).where(users.c.name == name)).one_or_none()
        right = self._verify(row.password_hash if row else self._nobody, password[:1000])
        with writing(self.engine) as connection:
            self._refuse_guessing(connection, name, address, when)
            if row is None or not right or row.disabled:
                note_access(connection, asking, "log in", outcome="failed")
                session = None
            else:
                if argon.check_needs_rehash(row.password_hash):
                    connection.execute(update(users).where(users.c.name == name).values(password_hash=argon.hash(password)))
                key = secrets.token_urlsafe(32)
                expires = when + dt.timedelta(hours=self.settings.session_hours)
                connection.execute(delete(sessions).where(sessions.c.expires_at < stamp(when)))
                connection.execute(
                    insert(sessions).values(
                        hash=_digest(key), name=name, created_at=stamp(when), seen_at=stamp(when), expires_at=stamp(expires)
                    )
                )
                identity = Identity(name, row.role, address, _csrf(key), stamp(expires))
                note_access(connection, identity, "log in")
                session = Session(key, identity)
        if session is None:
            raise LoginError(
                "CS601", "Name or password is wrong. Expected those of a user of the desk. Try again, or ask a manager."
            )
        return session

    def _refuse_guessing(self, connection: Connection, name: str, address: str, when: dt.datetime) -> None:
        since = stamp(when - dt.timedelta(minutes=self.settings.login_minutes))
        failed = and_(access.c.action == "log in", access.c.outcome == "failed", access.c.at > since)
        tries = self.settings.login_tries
        for what, most in (
            (and_(access.c.who == name[:200], access.c.address == address[:60]), tries),
            (access.c.who == name[:200], tries * 10),
            (access.c.address == address[:60], tries * 20),
        ):
            n = connection.execute(select(func.count()).select_from(access).where(failed, what)).scalar_one()
            if n >= most:
                raise TooManyTriesError(
                    "CS604",
                    f"Too many failed log-ins. Expected fewer than {most} within {self.settings.login_minutes} minutes. Wait, then try again.",
                    headers={"Retry-After": str(60 * self.settings.login_minutes)},
                )

    def of_session(self, key: str, address: str) -> Identity | None:
        """Say whose session it is; None when it is unknown, idle too long, or over."""
        when = self.clock()
        digest = _digest(key)
        sql = (
            select(sessions.c.name, sessions.c.seen_at, sessions.c.expires_at, users.c.role, users.c.disabled)
            .join(users, users.c.name == sessions.c.name)
            .where(sessions.c.hash == digest)
        )
        with reading(self.engine) as connection:
            row = connection.execute(sql).one_or_none()
        if row is None or row.disabled or row.expires_at <= stamp(when):
            return None
        idle_s = (when - dt.datetime.fromisoformat(row.seen_at)).total_seconds()
        if idle_s > 60 * self.settings.session_idle_minutes:
            return None
        if idle_s > _SEEN_EVERY_S:
            with writing(self.engine) as connection:
                connection.execute(update(sessions).where(sessions.c.hash == digest).values(seen_at=stamp(when)))
        return Identity(row.name, row.role, address, _csrf(key), row.expires_at)

    def log_out(self, key: str, who: Identity) -> None:
        """End a session."""
        with writing(self.engine) as connection:
            connection.execute(delete(sessions).where(sessions.c.hash == _digest(key)))
            note_access(connection, who, "log out")

    # -- tokens ------------------------------------------------------------------------------------------------------

    def create_token(self, name: str, role: str, *, days: float = 90) -> tuple[Token, str]:
        """Make a token; the text is returned once and cannot be had again.

        Parameters
        ----------
        name : str
            A program's name for the role "service"; else a user who has the role.
        role : str
            One of `ROLES`.
        days : float
            How long it holds, above 0, at most 366.

        Raises
        ------
        ConfigError
            CS633 when these do not fit together.
        """
        if role not in ROLES or not _NAME.fullmatch(name) or not 0 < days <= 366:
            raise ConfigError(
                "CS633",
                f"The token {name[:80]!r}, {role!r}, {days!r} days cannot be made. Expected a name of letters, digits and . _ @ -, "
                f"one of {', '.join(ROLES)}, and up to 366 days. Correct it.",
            )
        user = next((u for u in self.users() if u.name.lower() == name.lower()), None)
        if (role == "service") != (user is None) or (user is not None and user.role != role):
            raise ConfigError(
                "CS633",
                f"A token of the role {role!r} cannot be called {name!r}. Expected the name of a user with that role, or for a service a "
                "name that no user has: it stands in the access log. Choose another name.",
            )
        when = self.clock()
        text = _TOKEN_PREFIX + secrets.token_urlsafe(32)
        made = Token(secrets.token_hex(6), name, role, stamp(when), stamp(when + dt.timedelta(days=days)), None)
        with writing(self.engine) as connection:
            connection.execute(
                insert(tokens).values(
                    token_id=made.token_id,
                    hash=_digest(text),
                    name=name,
                    role=role,
                    created_at=made.created_at,
                    expires_at=made.expires_at,
                )
            )
            note_access(connection, Identity(name, role, "console"), f"token {made.token_id} created")
        return made, text

    def tokens(self) -> tuple[Token, ...]:
        """All tokens, the oldest first."""
        columns = (tokens.c.token_id, tokens.c.name, tokens.c.role, tokens.c.created_at, tokens.c.expires_at, tokens.c.revoked_at)
        with reading(self.engine) as connection:
            return tuple(
                Token(*row) for row in connection.execute(select(*columns).order_by(tokens.c.created_at, tokens.c.token_id))
            )

    def revoke_token(self, token_id: str) -> None:
        """End a token at once.

        Raises
        ------
        MissingChartError
            CS631 when there is no such token.
        """
        with writing(self.engine) as connection:
            row = connection.execute(select(tokens.c.name, tokens.c.role).where(tokens.c.token_id == token_id)).one_or_none()
            if row is None:
                raise MissingChartError(
                    "CS631", f"There is no token {token_id[:80]!r}. Expected an id of `codesuggest desk token list`. Look it up."
                )
            ended = and_(tokens.c.token_id == token_id, tokens.c.revoked_at.is_(None))
            connection.execute(update(tokens).where(ended).values(revoked_at=stamp(self.clock())))
            note_access(connection, Identity(row.name, row.role, "console"), f"token {token_id} revoked")

    def of_token(self, text: str, address: str) -> Identity | None:
        """Say whose token it is; None when it is unknown, expired or revoked, or its user is disabled or has another role."""
        sql = (
            select(
                tokens.c.name,
                tokens.c.role,
                tokens.c.expires_at,
                tokens.c.revoked_at,
                users.c.role.label("is_now"),
                users.c.disabled,
            )
            .outerjoin(users, users.c.name == tokens.c.name)
            .where(tokens.c.hash == _digest(text))
        )
        with reading(self.engine) as connection:
            row = connection.execute(sql).one_or_none()
        if row is None or row.revoked_at is not None or row.expires_at <= stamp(self.clock()):
            return None
        if row.role == "service":
            return None if row.is_now is not None else Identity(row.name, row.role, address, "", row.expires_at)
        return Identity(row.name, row.role, address, "", row.expires_at) if row.is_now == row.role and not row.disabled else None

    # -- the access log ----------------------------------------------------------------------------------------------

    def note(self, who: Identity, action: str, encounter_id: str | None = None, outcome: str = "allowed") -> None:
        """Write a line of the access log by itself."""
        with writing(self.engine) as connection:
            note_access(connection, who, action, encounter_id, outcome)

    def accesses(
        self, *, encounter_id: str | None = None, who: str | None = None, after: int = 0, limit: int = 200
    ) -> tuple[Access, ...]:
        """Read the access log, the oldest first.

        Parameters
        ----------
        encounter_id, who : str, optional
            Only these.
        after : int
            Only lines with a greater number.
        limit : int
        """
        sql: Any = select(access).where(access.c.seq > after).order_by(access.c.seq).limit(limit)
        if encounter_id is not None:
            sql = sql.where(access.c.encounter_id == encounter_id)
        if who is not None:
            sql = sql.where(access.c.who == who)
        with reading(self.engine) as connection:
            return tuple(Access(*row) for row in connection.execute(sql))
