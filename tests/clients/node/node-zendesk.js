// A script with node-zendesk.

"use strict";
const fs = require("node:fs");
const { CREDENTIAL, EMAIL, FILE, MANY, TICKET, TOKEN, play, printed } = require("./steps.js");

const mine = CREDENTIAL === "bearer" ? `oauth: true, token: "${TOKEN}"` : `username: "${EMAIL}", token: "${TOKEN}"`;
const { zendesk } = printed("zendesk", (code) => {
  // A local key goes where the printed code has a place for it.
  if (code.includes(TOKEN)) return code;
  const changed = code.replace(/username: "any",\s+token: "any"/, mine);
  if (changed === code) throw new Error(`no credential in what was printed: ${code}`);
  return changed;
});
const manifest = fs.readFileSync(`${process.env.NODE_PATH}/node-zendesk/package.json`, "utf8");
const ids = (tickets) => ({ ids: tickets.map((ticket) => ticket.id) });

play(JSON.parse(manifest).version, {
  me: async () => ({ id: (await zendesk.users.me()).result.id }),
  cursor: async () => ids(await zendesk.tickets.list()),
  create: async () => ({ id: (await zendesk.tickets.create({ ticket: TICKET })).result.id }),
  upload: async () => {
    const answer = await zendesk.attachments.upload(FILE, { filename: "image.png", binary: true });
    return { token: (answer.result ?? answer).upload.token };
  },
  // It reads only one page of an export, at Zendesk too; its user export continues from the last
  // change.
  export: async () => {
    const found = new Set();
    // Zendesk refuses a start time within the last minute.
    const recent = Date.now() / 1000 - 60;
    for (let start = 0, before = -1; found.size > before && start < recent; ) {
      before = found.size;
      for (const ticket of await zendesk.tickets.incremental(start)) {
        found.add(ticket.id);
        start = Math.floor(Date.parse(ticket.updated_at) / 1000);
      }
    }
    return { ids: [...found] };
  },
  query: async () => ids(await zendesk.search.exportResults("*", "ticket")),
  job: async () => {
    let { result } = await zendesk.tickets.createMany({ tickets: MANY });
    let job = result.job_status ?? result;
    while (job.status !== "completed") {
      ({ result: job } = await zendesk.jobstatuses.show(job.id));
      job = job.job_status ?? job;
    }
    return { results: job.results.length };
  },
});
