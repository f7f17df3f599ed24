// What npm's clients make of the service. One process for all checks: its last line is JSON, a result for each name.
// Given: the URL as far as /v1, a key, and the names of a tuned model and of two classifiers.
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, Output, embedMany, generateText, stepCountIs, streamText, tool } from "ai";
import OpenAI, { toFile } from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

const [baseURL, apiKey, tuned, mood, harm] = process.argv.slice(2);
const messages = [{ role: "user", content: "Where is order 48213?" }];
const City = z.object({ city: z.enum(["Paris", "Oslo"]) });
const parameters = { ...z.toJSONSchema(City), $schema: undefined };
const weather = { type: "function", function: { name: "get_weather", description: "The weather.", parameters } };

const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const compatible = createOpenAICompatible({ name: "whet", baseURL, apiKey, includeUsage: true });
const vercel = createOpenAI({ baseURL, apiKey });
const once = { maxRetries: 0, temperature: 0, maxOutputTokens: 8 };

const checks = {
  async openai_models() {
    const names = [];
    for await (const model of client.models.list()) names.push(model.id);
    return { names, one: await client.models.retrieve(tuned) };
  },
  async openai_chat() {
    const answer = await client.chat.completions.create({ model: tuned, messages, temperature: 0, max_tokens: 8 });
    return { text: answer.choices[0].message.content, usage: answer.usage, request: answer._request_id };
  },
  async openai_stream() {
    const asked = { model: tuned, messages, temperature: 0, max_tokens: 8 };
    const stream = client.chat.completions.stream({ ...asked, stream_options: { include_usage: true } });
    const parts = [];
    stream.on("content", (delta) => parts.push(delta));
    return { parts, text: await stream.finalContent(), usage: await stream.totalUsage() };
  },
  async openai_tool() {
    const asked = { model: "nano", messages, tools: [weather], tool_choice: "required", temperature: 0 };
    const [call] = (await client.chat.completions.create(asked)).choices[0].message.tool_calls;
    return { name: call.function.name, arguments: City.parse(JSON.parse(call.function.arguments)) };
  },
  async openai_parse() {
    const response_format = zodResponseFormat(City, "city");
    const asked = { model: "nano", messages, response_format, temperature: 0 };
    return (await client.chat.completions.parse(asked)).choices[0].message.parsed;
  },
  async openai_responses() {
    const answer = await client.responses.create({ model: tuned, input: messages, temperature: 0, max_output_tokens: 8 });
    return { text: answer.output_text, usage: answer.usage };
  },
  async openai_vectors() {
    const answer = await client.embeddings.create({ model: mood, input: ["a", "b"] });
    return answer.data.map((one) => one.embedding);
  },
  async openai_moderation() {
    return (await client.moderations.create({ model: harm, input: "I hate it all" })).results[0];
  },
  async openai_errors() {
    const asked = { model: "nano", messages, max_tokens: 1 };
    const stranger = new OpenAI({ baseURL, apiKey: "wk-no", maxRetries: 0 });
    return {
      missing: await refusal(client.chat.completions.create({ ...asked, model: "gpt-9" })),
      unknown: await refusal(client.chat.completions.create({ ...asked, thinking: { type: "enabled" } })),
      stream: await refusal(client.chat.completions.create({ ...asked, model: "gpt-9", stream: true })),
      key: await refusal(stranger.chat.completions.create(asked)),
    };
  },
  async openai_job() {
    const row = { messages: [...messages, { role: "assistant", content: "On its way." }] };
    const rows = Buffer.from(Array(10).fill(JSON.stringify(row)).join("\n"));
    const file = await client.files.create({ file: await toFile(rows, "rows.jsonl"), purpose: "fine-tune" });
    const back = await (await client.files.content(file.id)).text();
    const job = await client.fineTuning.jobs.create({ model: "nano", training_file: file.id, suffix: "node" });
    const ended = await client.fineTuning.jobs.cancel(job.id);
    const events = [];
    for await (const event of client.fineTuning.jobs.listEvents(job.id)) events.push(event.message);
    const gone = await client.files.delete(file.id);
    return { file, same: back === rows.toString(), job, ended: ended.status, events, gone: gone.deleted };
  },
  async vercel_chat() {
    const answer = await generateText({ model: compatible(tuned), messages, ...once });
    return { text: answer.text, usage: answer.usage, end: answer.finishReason };
  },
  async vercel_stream() {
    const answer = streamText({ model: compatible(tuned), messages, ...once });
    const parts = [];
    for await (const part of answer.textStream) parts.push(part);
    return { parts, usage: await answer.usage, end: await answer.finishReason };
  },
  async vercel_tool() {
    const asked = [];
    const told = async (given) => (asked.push(given), "sunny");
    const get_weather = tool({ description: "The weather.", inputSchema: City, execute: told });
    const rules = { tools: { get_weather }, toolChoice: "required", stopWhen: stepCountIs(2), maxRetries: 0 };
    const answer = await generateText({ model: compatible("nano"), messages, temperature: 0, ...rules });
    return { asked, steps: answer.steps.length };
  },
  async vercel_object() {
    const model = createOpenAICompatible({ name: "whet", baseURL, apiKey, supportsStructuredOutputs: true })("nano");
    return (await generateText({ model, messages, temperature: 0, output: Output.object({ schema: City }) })).output;
  },
  async vercel_openai() {
    const chat = await generateText({ model: vercel.chat(tuned), messages, ...once });
    const responses = await generateText({ model: vercel(tuned), messages, ...once });
    const stream = streamText({ model: vercel(tuned), messages, ...once });
    return { chat: chat.text, responses: responses.text, stream: await stream.text, usage: responses.usage };
  },
  async vercel_vectors() {
    const asked = { values: ["a", "b"], maxRetries: 0 };
    const one = await embedMany({ model: compatible.embeddingModel(mood), ...asked });
    const other = await embedMany({ model: vercel.embedding(mood), ...asked });
    return { compatible: one.embeddings, openai: other.embeddings, tokens: one.usage.tokens };
  },
  async vercel_errors() {
    try {
      await generateText({ model: compatible("gpt-9"), messages, ...once });
    } catch (error) {
      return { known: APICallError.isInstance(error), status: error.statusCode, message: error.message };
    }
  },
};

async function refusal(asked) {
  try {
    await asked;
  } catch (error) {
    return { class: error.constructor.name, status: error.status, code: error.code, param: error.param };
  }
}

const results = {};
for (const [name, check] of Object.entries(checks)) {
  try {
    results[name] = (await check()) ?? null;
  } catch (error) {
    results[name] = { failed: `${error.stack ?? error}\n${error.responseBody ?? ""}` };
  }
}
console.log(JSON.stringify(results));
