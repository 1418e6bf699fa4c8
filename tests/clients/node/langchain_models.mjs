// LangChain's OpenAI model for Node.
import { HumanMessage, ToolMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";
import { z } from "zod";
import { CAPITAL, LONG, run, TASK, TOLD, WEATHER } from "./task.mjs";

const connect = (model, apiKey = TASK.key) =>
  new ChatOpenAI({ model, apiKey, maxRetries: 0, configuration: { baseURL: `${TASK.url}/v1` } });
const llm = connect(TASK.model);

await run({
  async chat() {
    const answer = await llm.invoke(CAPITAL);
    return { text: answer.text, tokens: answer.usage_metadata.total_tokens };
  },
  async stream() {
    let whole;
    for await (const chunk of await llm.stream(CAPITAL)) whole = whole ? whole.concat(chunk) : chunk;
    return { text: whole.text, tokens: whole.usage_metadata.total_tokens };
  },
  async tools() {
    const weather = tool(() => TOLD, {
      name: "weather",
      description: "The weather in a city.",
      schema: z.object({ city: z.string() }),
    });
    const able = llm.bindTools([weather]);
    const asked = [new HumanMessage(WEATHER)];
    const first = await able.invoke(asked);
    const told = first.tool_calls.map((call) => new ToolMessage({ content: TOLD, tool_call_id: call.id }));
    return { text: (await able.invoke([...asked, first, ...told])).text };
  },
  structured: () => llm.withStructuredOutput(z.object({ city: z.string() }), { name: "city" }).invoke(CAPITAL),
  async embed() {
    const made = new OpenAIEmbeddings({
      model: TASK.embedding,
      apiKey: TASK.key,
      dimensions: 256,
      configuration: { baseURL: `${TASK.url}/v1` },
    });
    return { sizes: (await made.embedDocuments(["toll", "road"])).map((one) => one.length) };
  },
  error: () => connect(TASK.missing).invoke(CAPITAL),
  unauthorized: () => connect(TASK.model, "nobody:nothing").invoke(CAPITAL),
  async cancel() {
    for await (const chunk of await connect(TASK.stalling).stream(LONG)) return { read: Boolean(chunk) };
  },
});
