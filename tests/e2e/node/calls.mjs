// Calls a gateway with the OpenAI SDK for Node and prints what came of it, one JSON object in all.
import OpenAI from "openai";

const [url, guardedKey] = process.argv.slice(2);
const models = {
  openai: "openai/gpt-4o-mini",
  anthropic: "anthropic/claude-haiku-4-5",
  gemini: "gemini/gemini-2.5-flash",
};
const messages = [{ role: "user", content: "What is the capital of France?" }];
const tools = [
  {
    type: "function",
    function: {
      name: "get_weather",
      parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
    },
  },
];
const open = new OpenAI({ baseURL: `${url}/open/v1`, apiKey: "unused", maxRetries: 0 });

async function chat(model) {
  const answer = await open.chat.completions.create({ model, messages });
  return { text: answer.choices[0].message.content, tokens: answer.usage.total_tokens };
}

async function chatStream(model) {
  const stream = await open.chat.completions.create({
    model,
    messages,
    stream: true,
    stream_options: { include_usage: true },
  });
  const seen = { text: "", tokens: 0, finish: "" };
  for await (const chunk of stream) {
    seen.text += chunk.choices[0]?.delta?.content ?? "";
    seen.finish = chunk.choices[0]?.finish_reason ?? seen.finish;
    seen.tokens = chunk.usage?.total_tokens ?? seen.tokens;
  }
  return seen;
}

async function toolCall(model) {
  const stream = open.chat.completions.stream({
    model,
    messages: [{ role: "user", content: "What is the weather in Paris?" }],
    tools,
  });
  const call = (await stream.finalChatCompletion()).choices[0].message.tool_calls[0];
  return { name: call.function.name, arguments: JSON.parse(call.function.arguments) };
}

async function response(model) {
  const answer = await open.responses.create({ model, input: messages[0].content });
  return { text: answer.output_text, status: answer.status, tokens: answer.usage.total_tokens };
}

async function responseStream(model) {
  const stream = await open.responses.create({ model, input: messages[0].content, stream: true });
  const seen = { text: "", last: "", numbers: [] };
  for await (const event of stream) {
    if (event.type === "response.output_text.delta") seen.text += event.delta;
    seen.last = event.type;
    seen.numbers.push(event.sequence_number);
  }
  return seen;
}

async function failure(client, model, stream = false) {
  try {
    const answer = await client.chat.completions.create({ model, messages, stream });
    if (stream) for await (const chunk of answer) void chunk;
    return { name: "none" };
  } catch (error) {
    return { name: error.constructor.name, status: error.status ?? null, message: error.message };
  }
}

const results = {};
for (const [provider, model] of Object.entries(models)) {
  results[provider] = {
    chat: await chat(model),
    chatStream: await chatStream(model),
    toolCall: await toolCall(model),
    response: await response(model),
    responseStream: await responseStream(model),
    notFound: await failure(open, `${provider}/sim-404`),
    rateLimit: await failure(open, `${provider}/sim-429-3`),
    broken: await failure(open, `${provider}/sim-500`),
    cut: await failure(open, `${provider}/sim-cut-2`, true),
  };
}
const guarded = (apiKey) => new OpenAI({ baseURL: `${url}/guarded/v1`, apiKey, maxRetries: 0 });
results.refused = await failure(guarded("nobody:nothing"), models.openai);
results.identified = await failure(guarded(guardedKey), models.openai);
process.stdout.write(JSON.stringify(results));
