"""Authentication as the doors use it: a key or a session in, a principal out."""

from __future__ import annotations

from datetime import timedelta

from countersign.access.keys import ServerKey
from countersign.access.principal import Principal
from countersign.access.sign_in import NewSession, Session
from countersign.domain.clock import Clock
from countersign.domain.errors import NotAuthenticated
from countersign.storage import keys, people, sessions
from countersign.storage.database import Database


class SqlAccess:
    """Also the `SignInStore` of `access.sign_in.SignIn`. Nothing is cached: a revocation acts on the next request.

    `tenants` are those of the workspace file: people of a tenant that was taken out of it stay outside. Empty = any.
    """

    def __init__(
        self,
        database: Database,
        server_key: ServerKey,
        clock: Clock,
        session_lifetime: timedelta = sessions.SESSION_LIFETIME,
        tenants: frozenset[str] = frozenset(),
    ) -> None:
        self._database = database
        self._server_key = server_key
        self._clock = clock
        self._session_lifetime = session_lifetime
        self._tenants = tenants

    async def authenticate(self, token: str) -> Principal:
        """Raises `NotAuthenticated`, the same for every reason."""
        principal = await self._database.look_up(
            keys.authenticate, self._server_key, token, self._clock.now()
        )
        if not self._inside(principal):
            raise keys.not_authenticated()
        return principal

    async def session(self, token: str) -> Session:
        """Raises `NotAuthenticated` when nobody is signed in with this cookie."""
        found = await self._database.read(sessions.find_session, self._server_key, token, self._clock.now())
        if found is None or not self._inside(found.principal):
            raise NotAuthenticated("nobody is signed in", hint="Sign in first.")
        return found

    async def sign_out(self, token: str) -> None:
        await self._database.write(sessions.close_session, self._server_key, token)

    def _inside(self, principal: Principal) -> bool:
        return not self._tenants or principal.tenant in self._tenants

    # -- SignInStore --------------------------------------------------------------------------------------------
    async def password_hash(self, name: str) -> str | None:
        return await self._database.read(people.password_hash_of, name)

    async def by_key(self, token: str) -> Principal | None:
        try:
            return await self.authenticate(token)
        except NotAuthenticated:
            return None

    async def open_session(self, name: str) -> NewSession | None:
        return await self._database.write(
            sessions.open_session, self._server_key, name, self._clock.now(), self._session_lifetime
        )
