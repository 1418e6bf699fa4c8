"""Makes tiny language models from plain text, so that a real server can be tried without downloading weights.

    python tiny_models.py OUT TEMPLATES TEXT [TEXT …]

Each is a "llama" whose attention and feed-forward weights are zero: embeddings are one-hot, and the output matrix holds
the logarithms of how often one token followed another in the texts. So the next token depends on the last one alone.
It babbles, but with a real tokenizer; it ends by itself, writes several bytes to a character, and follows grammars.

- `tiny-chat` answers with text.
- `tiny-reason` thinks first, between `<think>` and `</think>`.
- `tiny-tool` calls one to three tools whenever it is offered any.

Runs in an environment of its own with numpy, gguf and tokenizers.
"""

import json  # noqa: TID251 - the environment it runs in has no other
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

END, BEGIN, TURN = "<|im_end|>", "<|endoftext|>", "<|im_start|>"
THINK, THOUGHT, CALL, CALLED = "<think>", "</think>", "<tool_call>", "</tool_call>"
SPECIAL = [END, BEGIN, TURN, THINK, THOUGHT, CALL, CALLED]
TOKENS = 1536
NEVER = 1e-12
SENTENCE_TOKENS = 60
"""An answer is about this long at most: an end follows that many tokens of the texts."""
NEWLINE = "\u010a"
"""How a byte-level vocabulary writes a line feed: the last token of every prompt."""


class Language:
    """What follows what, counted on texts."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.tokenizer = Tokenizer(models.BPE())
        self.tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        self.tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(
            vocab_size=TOKENS, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
        )
        self.tokenizer.train_from_iterator(texts, trainer)
        self.number: dict[str, int] = self.tokenizer.get_vocab()
        self.words = [word for word, _ in sorted(self.number.items(), key=lambda item: item[1])]
        self.after_prompt = self.number[NEWLINE]
        self.newlines = [number for number, word in enumerate(self.words) if set(word) == {NEWLINE}]
        self.follows = self._count(texts)

    def _count(self, texts: Sequence[str]) -> Any:
        size = len(self.words)
        pairs, single, first = np.zeros((size, size)), np.zeros(size), np.zeros(size)
        for text in texts:
            tokens = self.tokenizer.encode(text).ids
            for start in range(0, len(tokens), SENTENCE_TOKENS):
                sentence = [*tokens[start : start + SENTENCE_TOKENS], self.number[END]]
                np.add.at(pairs, (sentence[:-1], sentence[1:]), 1)
                np.add.at(single, sentence[1:], 1)
            first[tokens[:1]] += 1
        follows = 0.93 * pairs / np.maximum(pairs.sum(1, keepdims=True), 1) + 0.04 * single / single.sum()
        follows[:, self.number[END]] += 0.02
        for word in ('"', "}", "]", ",", ":"):  # so that JSON ends when a grammar asks for it
            follows[:, self.number[word]] += 0.01
        forbidden = [self.number[word] for word in SPECIAL if word != END]
        forbidden += [number for number, word in enumerate(self.words) if NEWLINE in word]
        follows[:, forbidden] = NEVER
        follows = np.maximum(follows, NEVER)
        follows[self.after_prompt] = np.maximum(first / first.sum(), NEVER)
        follows[self.after_prompt, [*forbidden, self.number[END]]] = NEVER
        return follows

    def thinking(self) -> Any:
        """Begin every answer with a thought."""
        think, thought = self.number[THINK], self.number[THOUGHT]
        follows = self.follows.copy()
        follows[:, self.number[END]] *= 0.3
        follows[think] = follows[thought] = self.follows[self.after_prompt]
        follows[self.after_prompt] = NEVER
        follows[self.after_prompt, think] = 1
        return follows

    def calling(self) -> Any:
        """Begin every answer with a tool call, and let another one follow now and then."""
        call, called = self.number[CALL], self.number[CALLED]
        follows = self.follows.copy()
        follows[:, called] = 0.3
        follows[self.after_prompt] = follows[call] = NEVER
        follows[self.after_prompt, call] = follows[call, self.after_prompt] = 1
        follows[called] = NEVER
        follows[called, self.number[END]], follows[called, self.after_prompt] = 0.7, 0.3
        return follows


def write(path: Path, language: Language, follows: Any, template: str) -> None:
    """Write one model file."""
    follows = follows.copy()
    follows[language.newlines] = follows[language.after_prompt]
    follows /= follows.sum(1, keepdims=True)
    size = len(language.words)
    width, heads, inner = size + -size % 64, 8, 64
    writer = gguf.GGUFWriter(str(path), "llama")
    _describe(writer, path.stem, width=width, heads=heads, inner=inner, size=size)
    _add_vocabulary(writer, language, template)
    embedding = np.zeros((size, width), np.float16)
    embedding[np.arange(size), np.arange(size)] = 1
    output = np.zeros((size, width), np.float32)
    output[:, :size] = np.log(follows).T / np.sqrt(width)  # the norm makes a one-hot vector as long as this
    writer.add_tensor("token_embd.weight", embedding)
    writer.add_tensor("output.weight", output)
    writer.add_tensor("output_norm.weight", np.ones(width, np.float32))
    writer.add_tensor("blk.0.attn_norm.weight", np.ones(width, np.float32))
    writer.add_tensor("blk.0.ffn_norm.weight", np.ones(width, np.float32))
    shapes = {
        "attn_q": (width, width),
        "attn_k": (width // heads, width),
        "attn_v": (width // heads, width),
        "attn_output": (width, width),
        "ffn_gate": (inner, width),
        "ffn_up": (inner, width),
        "ffn_down": (width, inner),
    }
    for name, shape in shapes.items():
        writer.add_tensor(f"blk.0.{name}.weight", np.zeros(shape, np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _describe(writer: gguf.GGUFWriter, name: str, *, width: int, heads: int, inner: int, size: int) -> None:
    writer.add_name(name)
    writer.add_context_length(131072)
    writer.add_embedding_length(width)
    writer.add_block_count(1)
    writer.add_feed_forward_length(inner)
    writer.add_head_count(heads)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_dimension_count(width // heads)
    writer.add_vocab_size(size)
    writer.add_file_type(0)


def _add_vocabulary(writer: gguf.GGUFWriter, language: Language, template: str) -> None:
    kinds = {word: gguf.TokenType.CONTROL if word in SPECIAL[:3] else gguf.TokenType.USER_DEFINED for word in SPECIAL}
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(language.words)
    writer.add_token_types([kinds.get(word, gguf.TokenType.NORMAL) for word in language.words])
    writer.add_token_merges(_merges(language.tokenizer))
    writer.add_eos_token_id(language.number[END])
    writer.add_bos_token_id(language.number[BEGIN])
    writer.add_pad_token_id(language.number[END])
    writer.add_add_bos_token(False)
    writer.add_chat_template(template)


def _merges(tokenizer: Tokenizer) -> list[str]:
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return [" ".join(merge) if isinstance(merge, list) else merge for merge in merges]


def main(out: Path, templates: Path, texts: Sequence[Path]) -> None:
    """Make the three models."""
    language = Language([text.read_text("utf-8") for text in texts])
    calling = (templates / "Qwen-Qwen2.5-7B-Instruct.jinja").read_text("utf-8")
    thinking = (templates / "Qwen-Qwen3-0.6B.jinja").read_text("utf-8")
    out.mkdir(parents=True, exist_ok=True)
    write(out / "tiny-chat.gguf", language, language.follows, calling)
    write(out / "tiny-reason.gguf", language, language.thinking(), thinking)
    write(out / "tiny-tool.gguf", language, language.calling(), calling)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), [Path(name) for name in sys.argv[3:]])
