// The Vercel AI SDK over four of its providers.
import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { embedMany, generateObject, generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import { CAPITAL, LONG, run, TASK, TOLD, WEATHER } from "./task.mjs";

const baseURL = `${TASK.url}/${TASK.speaks === "google" ? "v1beta" : "v1"}`;
const connect = (apiKey) => {
  switch (TASK.speaks) {
    case "anthropic":
      return createAnthropic({ baseURL, apiKey });
    case "google":
      return createGoogleGenerativeAI({ baseURL, apiKey });
    case "compatible":
      return createOpenAICompatible({
        name: "tollway",
        baseURL,
        apiKey,
        includeUsage: true,
        supportsStructuredOutputs: true,
      });
    default:
      return createOpenAI({ baseURL, apiKey });
  }
};
const named = (name) => (TASK.speaks === "google" ? `models/${name}` : name);
const pick = (name, key = TASK.key) =>
  TASK.speaks === "chat" ? connect(key).chat(name) : connect(key)(named(name));
const ask = (name = TASK.model) => ({ model: pick(name), prompt: CAPITAL, maxRetries: 0 });

await run({
  async chat() {
    const answer = await generateText(ask());
    return { text: answer.text, tokens: answer.usage.totalTokens };
  },
  async stream() {
    let failed;
    const answer = streamText({ ...ask(), onError: ({ error }) => (failed = error) });
    const text = await answer.text;
    if (failed) throw failed;
    return { text, tokens: (await answer.usage).totalTokens };
  },
  async tools() {
    const weather = tool({
      description: "The weather in a city.",
      inputSchema: z.object({ city: z.string() }),
      execute: async () => TOLD,
    });
    // Kept responses are referred to by id, which only the provider that keeps them understands.
    const providerOptions = { openai: { store: false } };
    const asked = { ...ask(), prompt: WEATHER, providerOptions };
    const answer = await generateText({ ...asked, tools: { weather }, stopWhen: stepCountIs(3) });
    return { text: answer.text };
  },
  structured: async () => (await generateObject({ ...ask(), schema: z.object({ city: z.string() }) })).object,
  async embed() {
    const model = connect(TASK.key).textEmbeddingModel(TASK.embedding);
    const options = { openai: { dimensions: 256 }, tollway: { dimensions: 256 }, google: { outputDimensionality: 256 } };
    const vectors = await embedMany({ model, values: ["toll", "road"], providerOptions: options, maxRetries: 0 });
    return { sizes: vectors.embeddings.map((one) => one.length) };
  },
  error: () => generateText(ask(TASK.missing)),
  unauthorized: () => generateText({ ...ask(), model: pick(TASK.model, "nobody:nothing") }),
  async cancel() {
    const leaving = new AbortController();
    const answer = streamText({ ...ask(TASK.stalling), prompt: LONG, abortSignal: leaving.signal, onError() {} });
    for await (const delta of answer.textStream) {
      leaving.abort();
      return { read: Boolean(delta) };
    }
  },
});
