// The Anthropic SDK for Node: Messages.
import Anthropic from "@anthropic-ai/sdk";
import { CAPITAL, CITY, LONG, run, TASK, TOLD, WEATHER } from "./task.mjs";

const connect = (apiKey) => new Anthropic({ baseURL: TASK.url, apiKey, maxRetries: 0 });
const client = connect(TASK.key);
const ask = (changes) => ({
  model: TASK.model,
  max_tokens: 500,
  messages: [{ role: "user", content: CAPITAL }],
  ...changes,
});
const said = (message) => ({
  text: message.content.map((block) => block.text ?? "").join(""),
  tokens: message.usage.input_tokens + message.usage.output_tokens,
});

await run({
  chat: async () => said(await client.messages.create(ask())),
  stream: async () => said(await client.messages.stream(ask()).finalMessage()),
  async tools() {
    const tools = [{ name: "weather", description: "The weather in a city.", input_schema: CITY }];
    const asked = [{ role: "user", content: WEATHER }];
    const first = await client.messages.stream(ask({ messages: asked, tools })).finalMessage();
    const calls = first.content.filter((block) => block.type === "tool_use");
    const told = calls.map((call) => ({ type: "tool_result", tool_use_id: call.id, content: TOLD }));
    const messages = [...asked, { role: "assistant", content: first.content }, { role: "user", content: told }];
    return said(await client.messages.create(ask({ messages, tools })));
  },
  async structured() {
    const format = { type: "json_schema", schema: CITY };
    return JSON.parse(said(await client.messages.create(ask({ output_config: { format } }))).text);
  },
  error: () => client.messages.create(ask({ model: TASK.missing })),
  unauthorized: () => connect("nobody:nothing").messages.create(ask()),
  async cancel() {
    const stream = await client.messages.create(ask({ model: TASK.stalling, messages: [{ role: "user", content: LONG }], stream: true }));
    for await (const event of stream) return { read: Boolean(event) };
  },
});
