from tollway.policies.client_id_enforcement import ClientIdEnforcement
from tollway.testing.contracts.policy import PolicyContract


class TestClientIdEnforcement(PolicyContract):
    policy = ClientIdEnforcement
