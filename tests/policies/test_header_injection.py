from typing import ClassVar

from tollway.policies.header_injection import HeaderInjection
from tollway.testing.contracts.policy import PolicyContract


class TestHeaderInjection(PolicyContract):
    policy = HeaderInjection
    config: ClassVar = {
        "inboundHeaders": [{"key": "x-a", "value": "#[attributes.headers['x-other']]"}, {"key": "from", "value": "b"}],
        "outboundHeaders": [{"key": "x-c", "value": "text"}],
    }
