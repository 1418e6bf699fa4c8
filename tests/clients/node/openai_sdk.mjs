// The OpenAI SDK for Node: Chat Completions, Responses and Embeddings.
import OpenAI from "openai";
import { CAPITAL, CITY, LONG, run, TASK, TOLD, WEATHER } from "./task.mjs";

const connect = (apiKey) => new OpenAI({ baseURL: `${TASK.url}/v1`, apiKey, maxRetries: 0 });
const client = connect(TASK.key);
const model = TASK.model;
const messages = [{ role: "user", content: CAPITAL }];
const fn = { name: "weather", description: "The weather in a city.", parameters: CITY };
const schema = { name: "city", schema: CITY, strict: true };

const overChat = {
  async chat() {
    const answer = await client.chat.completions.create({ model, messages });
    return { text: answer.choices[0].message.content, tokens: answer.usage.total_tokens };
  },
  async stream() {
    const stream = client.chat.completions.stream({ model, messages, stream_options: { include_usage: true } });
    return { text: await stream.finalContent(), tokens: (await stream.totalUsage()).total_tokens };
  },
  async tools() {
    const runner = client.chat.completions.runTools({
      model,
      messages: [{ role: "user", content: WEATHER }],
      tools: [{ type: "function", function: { ...fn, parse: JSON.parse, function: () => TOLD } }],
      stream: true,
    });
    return { text: await runner.finalContent() };
  },
  async structured() {
    const format = { type: "json_schema", json_schema: schema };
    const answer = await client.chat.completions.parse({ model, messages, response_format: format });
    return JSON.parse(answer.choices[0].message.content);
  },
  async embed() {
    const vectors = await client.embeddings.create({ model: TASK.embedding, input: ["toll", "road"], dimensions: 256 });
    return { sizes: vectors.data.map((one) => one.embedding.length) };
  },
  error: () => client.chat.completions.create({ model: TASK.missing, messages }),
  unauthorized: () => connect("nobody:nothing").chat.completions.create({ model, messages }),
  async cancel() {
    const stream = await client.chat.completions.create({ model: TASK.stalling, messages: [{ role: "user", content: LONG }], stream: true });
    for await (const chunk of stream) return { read: Boolean(chunk) };
  },
};

const overResponses = {
  async chat() {
    const answer = await client.responses.create({ model, input: CAPITAL });
    return { text: answer.output_text, tokens: answer.usage.total_tokens };
  },
  async stream() {
    const answer = await client.responses.stream({ model, input: CAPITAL }).finalResponse();
    return { text: answer.output_text, tokens: answer.usage.total_tokens };
  },
  async tools() {
    const asked = [{ role: "user", content: WEATHER }];
    const tools = [{ type: "function", strict: false, ...fn }];
    const first = await client.responses.create({ model, input: asked, tools });
    const calls = first.output.filter((item) => item.type === "function_call");
    const told = calls.map((call) => ({ type: "function_call_output", call_id: call.call_id, output: TOLD }));
    const again = await client.responses.create({ model, input: [...asked, ...first.output, ...told], tools });
    return { text: again.output_text };
  },
  async structured() {
    const text = { format: { type: "json_schema", ...schema } };
    return JSON.parse((await client.responses.create({ model, input: CAPITAL, text })).output_text);
  },
  error: () => client.responses.create({ model: TASK.missing, input: CAPITAL }),
  async cancel() {
    const stream = await client.responses.create({ model: TASK.stalling, input: LONG, stream: true });
    for await (const event of stream) return { read: Boolean(event) };
  },
};

await run(TASK.speaks === "responses" ? overResponses : overChat);
