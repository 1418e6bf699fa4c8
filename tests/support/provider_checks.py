"""What must hold for every provider of the OpenAI family, whatever it is called."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tollway.core.conversation import Losses, Tool
from tollway.core.errors import BadRequest
from tollway.dialects.fitting import fitted
from tollway.dialects.registry import conversation_dialect, embeddings_dialect
from tollway.interfaces.provider import Provider

_CORPUS = Path(__file__).resolve().parents[1] / "corpus"
_NOT_FIELDS = {"developer", "custom_tools", "allowed_tools", "extra_content", "refusal"}


def sent(provider: Provider, case: str, target: str = "openai-chat") -> tuple[dict[str, Any], list[str]]:
    """Write a case of the corpus for a provider: what it gets, and what is reported lost."""
    source = conversation_dialect(case.partition("/")[0].replace("_", "-"))
    request = source.parse_request((_CORPUS / f"{case}.json").read_bytes(), path_model="m", stream=False)
    losses = Losses()
    body = conversation_dialect(target).render_request(fitted(request, provider, losses), provider, losses)
    return msgspec.json.decode(body), losses.fields


def _sent_or_refused(provider: Provider, case: str) -> dict[str, Any] | None:
    try:
        return sent(provider, case)[0]
    except BadRequest:
        return None


class OpenAIFamilyChecks:
    """Inherit it and give `provider`."""

    provider: Provider

    def test_every_dialect_it_speaks_exists(self) -> None:
        for name, path in self.provider.conversation.items():
            assert conversation_dialect(name).name == name
            assert path.startswith("/")
        for name, path in self.provider.embeddings.items():
            assert embeddings_dialect(name).name == name
            assert path.startswith("/")

    def test_chat_is_what_it_speaks_by_preference(self) -> None:
        assert next(iter(self.provider.conversation)) == "openai-chat"

    def test_its_file_bears_its_name(self) -> None:
        module = __import__(f"tollway.providers.{self.provider.name.replace('-', '_')}", fromlist=["PROVIDER"])
        assert module.PROVIDER is self.provider

    def test_no_case_of_the_corpus_reaches_it_with_a_field_it_refuses(self) -> None:
        written = 0
        for path in sorted(_CORPUS.glob("*/*.json")):
            case = path.relative_to(_CORPUS).with_suffix("").as_posix()
            body = _sent_or_refused(self.provider, case)
            if body is None:
                continue
            written += 1
            assert not (body.keys() & self.provider.unsupported), case
            text = str(body)
            if "developer" in self.provider.unsupported:
                assert "'role': 'developer'" not in text, case
            if "custom_tools" in self.provider.unsupported:
                assert "'type': 'custom'" not in text, case
            if "extra_content" in self.provider.unsupported:
                assert "extra_content" not in text, case
            if "refusal" in self.provider.unsupported:
                assert "'refusal'" not in text, case
            assert not (body.keys() & self.provider.renamed.keys()), case
            self._holds_only_media_it_takes(text, case)
        assert written > 20

    def _holds_only_media_it_takes(self, text: str, case: str) -> None:
        taken = self.provider.media
        if "image" not in taken:
            assert "'image_url'" not in text, case
        if "image-address" not in taken:
            assert "'image_url': {'url': 'http" not in text, case
        if "audio" not in taken:
            assert "'input_audio'" not in text, case
        if "file" not in taken:
            assert "'type': 'file'" not in text, case
            assert "'document_url'" not in text, case

    def test_more_than_its_limits_is_refused_before_it_is_sent(self) -> None:
        limits = self.provider.limits
        plain = conversation_dialect("anthropic-messages").parse_request(
            (_CORPUS / "anthropic_messages" / "plain.json").read_bytes(), path_model="m", stream=False
        )
        for field, given, most in (
            ("stop", tuple("abcdefghijklmnopqrstu"), limits.stop_sequences),
            ("tools", tuple(Tool(name=f"t{number}") for number in range(200)), limits.tools),
        ):
            if most is None:
                continue
            fitted(msgspec.structs.replace(plain, **{field: given[:most]}), self.provider, Losses())
            with pytest.raises(BadRequest, match=f"at most {most}"):
                fitted(msgspec.structs.replace(plain, **{field: given[: most + 1]}), self.provider, Losses())

    def test_what_it_refuses_is_named_in_this_apis_words(self) -> None:
        known = {
            "frequency_penalty",
            "logit_bias",
            "logprobs",
            "metadata",
            "modalities",
            "n",
            "parallel_tool_calls",
            "presence_penalty",
            "prompt_cache_key",
            "safety_identifier",
            "seed",
            "service_tier",
            "store",
            "stream_options",
            "tool_choice",
            "top_k",
            "top_logprobs",
            "user",
            "verbosity",
        }
        assert self.provider.unsupported <= known | _NOT_FIELDS
