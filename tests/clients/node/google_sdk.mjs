// The Google Gen AI SDK for Node: generateContent, its stream and embedContent.
import { GoogleGenAI } from "@google/genai";
import { CAPITAL, CITY, LONG, run, TASK, TOLD, WEATHER } from "./task.mjs";

const connect = (apiKey) => new GoogleGenAI({ apiKey, httpOptions: { baseUrl: TASK.url } });
const client = connect(TASK.key);
const model = `models/${TASK.model}`;

await run({
  async chat() {
    const answer = await client.models.generateContent({ model, contents: CAPITAL });
    return { text: answer.text, tokens: answer.usageMetadata.totalTokenCount };
  },
  async stream() {
    const seen = { text: "", tokens: 0 };
    for await (const chunk of await client.models.generateContentStream({ model, contents: CAPITAL })) {
      seen.text += chunk.text ?? "";
      seen.tokens = chunk.usageMetadata?.totalTokenCount ?? seen.tokens;
    }
    return seen;
  },
  async tools() {
    const declaration = { name: "weather", description: "The weather in a city.", parametersJsonSchema: CITY };
    const config = { tools: [{ functionDeclarations: [declaration] }] };
    const asked = [{ role: "user", parts: [{ text: WEATHER }] }];
    const first = await client.models.generateContent({ model, contents: asked, config });
    const parts = first.functionCalls.map(({ id, name }) => ({
      functionResponse: { id, name, response: { output: TOLD } },
    }));
    const contents = [...asked, first.candidates[0].content, { role: "user", parts }];
    return { text: (await client.models.generateContent({ model, contents, config })).text };
  },
  async structured() {
    const config = { responseMimeType: "application/json", responseJsonSchema: CITY };
    return JSON.parse((await client.models.generateContent({ model, contents: CAPITAL, config })).text);
  },
  async embed() {
    const vectors = await client.models.embedContent({
      model: `models/${TASK.embedding}`,
      contents: ["toll", "road"],
      config: { outputDimensionality: 256 },
    });
    return { sizes: vectors.embeddings.map((one) => one.values.length) };
  },
  error: () => client.models.generateContent({ model: `models/${TASK.missing}`, contents: CAPITAL }),
  unauthorized: () => connect("nobody:nothing").models.generateContent({ model, contents: CAPITAL }),
  async cancel() {
    const leaving = new AbortController();
    const config = { abortSignal: leaving.signal };
    const stream = await client.models.generateContentStream({
      model: `models/${TASK.stalling}`,
      contents: LONG,
      config,
    });
    const first = await stream.next();
    leaving.abort();
    return { read: !first.done };
  },
});
