// A script with Node's own fetch.

"use strict";
const { header, printed, script } = require("./steps.js");

const { BASE, me } = printed("BASE, me");

async function ask(url, more = {}) {
  const headers = { ...more.headers, Authorization: header() };
  const answer = await fetch(url, { ...more, headers });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return answer;
}

script(process.versions.node, {
  me,
  base: BASE,
  get: async (url) => (await ask(url)).json(),
  post: async (url, body, type = "application/json") => {
    const sent = type === "application/json" ? JSON.stringify(body) : body;
    const answer = await ask(url, { method: "POST", body: sent, headers: { "Content-Type": type } });
    return answer.json();
  },
  fetched: async (url) => Buffer.from(await (await ask(url)).arrayBuffer()),
});
