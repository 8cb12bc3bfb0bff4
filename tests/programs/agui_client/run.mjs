// Chat with an agent as a frontend does, with the client's own verifier; print what came of it as JSON.
// Arguments: the address of the agent, a key, a thread, what to say, after how many events connections are cut, and tools.
import { ResumableAgent } from "./agent.mjs";

const [url, key, threadId, text, cut, offered] = process.argv.slice(2);
const tools = JSON.parse(offered);
const real = globalThis.fetch;
const requests = [];

globalThis.fetch = async (address, init) => {
  const response = await real(address, init);
  requests.push(init?.method ?? "GET");
  if (Number(cut) === 0 || !response.ok || requests.length > 8) return response;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let [left, text] = [Number(cut), ""];
  const pull = async (controller) => {
    while (!text.includes("\n\n")) {
      const { done, value } = await reader.read();
      if (done) return controller.close();
      text += value;
    }
    if (left === 0) {
      void reader.cancel();
      return controller.error(new TypeError("terminated"));
    }
    left -= 1;
    const end = text.indexOf("\n\n") + 2;
    controller.enqueue(new TextEncoder().encode(text.slice(0, end)));
    text = text.slice(end);
  };
  // Nothing is read ahead: what comes before the cut arrives.
  const body = new ReadableStream({ pull }, { highWaterMark: 0 });
  return new Response(body, { status: response.status, headers: response.headers });
};

const agent = new ResumableAgent({ url, threadId, headers: { Authorization: `Bearer ${key}` } });
agent.addMessage({ id: crypto.randomUUID(), role: "user", content: text });
const events = [];
const watch = { onEvent: ({ event }) => void events.push(event.type) };
const first = await agent.runAgent({ tools }, watch);
const interrupts = agent.pendingInterrupts ?? [];
if (interrupts.length > 0) {
  const isOffered = (name) => tools.some((tool) => tool.name === name);
  const calls = agent.messages.flatMap((message) => message.toolCalls ?? []);
  const resume = interrupts.map(({ id, toolCallId }) => {
    const { name, arguments: given } = calls.find((call) => call.id === toolCallId).function;
    const payload = isOffered(name) ? { [name]: JSON.parse(given) } : { approved: true };
    return { interruptId: id, status: "resolved", payload };
  });
  await agent.runAgent({ resume, tools }, watch);
}
console.log(JSON.stringify({ events, messages: agent.messages, state: agent.state, interrupts, requests, first }));
