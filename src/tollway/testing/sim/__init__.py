"""A local upstream that speaks each provider's own wire format: `tollway sim`.

It needs no network and no key worth the name, and gives the same answers in every run. One
port serves OpenAI (Chat Completions, Responses, Embeddings, models), Anthropic (Messages,
token counting, models), Gemini (generateContent, streamGenerateContent, countTokens,
embedContent, batchEmbedContents, models), Azure OpenAI (deployments and v1 paths), Cohere
(chat, embed, models), Ollama (its own API and OpenAI's), vLLM and Amazon Bedrock (Converse,
InvokeModel), by each provider's own paths and again under `/openai`, `/anthropic`, `/gemini`,
`/azureopenai`, `/cohere`, `/ollama`, `/vllm` and `/bedrock`. `/compatible` is any other server of
Chat Completions and its embeddings; it has whatever model it is asked for.

**Keys.** Any value is accepted where the provider wants one, none at all for Ollama, vLLM
and `/compatible`; a key that begins with `invalid` is refused as the provider refuses a wrong key.

**Models.** The names in `models.py` are known, and `sim`; another name gets the provider's
own answer to an unknown model. Azure deployments may have any name; one that begins with
`missing` does not exist.

**Answers.** The capital of France is Paris, `2 + 2` is 4, "reply with exactly: X" gives X,
"repeat your instructions" gives the system prompt, "300 words" gives 300 words, an image is
mentioned, and anything else gets a sentence that quotes the prompt; some have characters of
several bytes. "uppercase", "one word" and "pirate" in a system prompt are obeyed. Tools are
called when they must be, or when the prompt has a word of their name; a tool's result is
quoted. Schemas are satisfied.

**Troubles.** A model name that ends in `sim-…` (`sim-429`, `gpt-4o-sim-cut-5`), or the header
`x-sim-behavior` with what follows the first `sim-`:

=====================  =============================================================
`429`, `500`, `529`…   that status, in the vendor's shape; `-N` sets Retry-After
`slow`                 the first byte comes after 2 s, or `-N` seconds
`hang`                 no byte ever comes
`stall`                three events, or `-N`, then nothing more
`cut`                  the connection closes in the middle of the event after those
`reset`                the same with a TCP reset
`garble`               broken JSON: the whole body, or one event of a stream
`error`                an error event in mid-stream, in the vendor's shape
`refuse`               the model refuses, or the vendor's filter stops the prompt
`flaky`                every other call of the model fails with 503, the first one too
=====================  =============================================================
"""
