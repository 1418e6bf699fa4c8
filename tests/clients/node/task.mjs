// What every script here does alike: reads its task, runs the checks, prints what came of each.
export const CAPITAL = "What is the capital of France?";
export const LONG = "Write 200 words about roads."; // answered at length, so that a caller can leave in the middle
export const WEATHER = "What is the weather in Paris?";
export const TOLD = "17 degrees and drizzle";
export const CITY = { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false };

// `url`, `key`, `model`, `missing`, `stalling`, `embedding`, and `speaks` where one script knows several APIs.
export const TASK = JSON.parse(process.argv[2]);

export async function run(checks) {
  const results = {};
  for (const name of TASK.checks) {
    try {
      results[name] = await checks[name]();
    } catch (error) {
      console.error(name, error);
      results[name] = { raised: family(error), status: status(error), message: String(error?.message ?? error) };
    }
  }
  await new Promise((done) => process.stdout.write(`${JSON.stringify(results)}\n`, done));
  process.exit(0);
}

// Names of an error's classes and of those it was made from: frameworks wrap what SDKs throw.
function family(error) {
  const names = [];
  for (let one = error; one; one = one.cause ?? one.lastError) {
    names.push(one.name);
    for (let kind = one.constructor; kind?.name && kind !== Error; kind = Object.getPrototypeOf(kind)) names.push(kind.name);
  }
  return names;
}

function status(error) {
  for (let one = error; one; one = one.cause ?? one.lastError) {
    if (Number.isInteger(one.status ?? one.statusCode)) return one.status ?? one.statusCode;
  }
  return 0;
}
