from tollway.interfaces.identity import TokenLimit
from tollway.snapshot.client_secrets import hash_client_secret
from tollway.snapshot.document import Contract

from .compiling import compiled


def test_clients_reach_the_snapshot_with_hashed_secrets() -> None:
    app, other = compiled().clients
    assert (app.client_id, app.name, app.business_group) == ("app", "App", "Finance")
    (secret,) = app.secrets
    assert secret.sha256 == hash_client_secret("s3cret", secret.salt)
    assert secret.expires_us == 0
    assert (other.secrets[0].salt, other.secrets[0].sha256) == ("0123456789abcdef", "a" * 64)
    assert other.secrets[0].expires_us == 1_801_350_000_500_000


def test_a_client_has_its_groups_cost_centre_unless_it_has_its_own() -> None:
    app, other = compiled().clients
    assert app.properties == {"tier": "a", "cost_centre": "CC-7"}
    assert other.properties == {"cost_centre": "CC-9"}


def test_contracts_reach_the_snapshot_with_their_tiers() -> None:
    first, second = compiled().proxies
    limits = (
        TokenLimit(total_tokens=5, period_ms=60_000),
        TokenLimit(prompt_tokens=3, period_ms=3_600_000),
    )
    assert first.contracts == (
        Contract(client_id="app", sla_tier="Gold", sla_limits=limits),
        Contract(client_id="other"),
    )
    assert second.contracts == (Contract(client_id="app"), Contract(client_id="other"))
