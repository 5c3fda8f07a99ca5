// Shared by all Node drivers: reads steps as lines, writes the result of each as JSON.

"use strict";
const crypto = require("node:crypto");
const fs = require("node:fs");
const readline = require("node:readline");

const { CREDENTIAL, SUBJECT, FILE, SNIPPET } = process.env;
const EMAIL = "me@example.com";
const { TOKEN } = process.env;
const TICKET = { subject: SUBJECT, comment: { body: "Unmodified" } };
const MANY = [0, 1].map((n) => ({ subject: SUBJECT, comment: { body: `${n}` } }));

/** Runs what `loopdesk env` has printed, and gives the names that it defines. */
function printed(names, change = (code) => code) {
  const code = change(fs.readFileSync(SNIPPET, "utf8"));
  return new Function("require", `${code}\nreturn { ${names} };`)(require);
}

const header = () =>
  CREDENTIAL === "bearer"
    ? `Bearer ${TOKEN}`
    : "Basic " + Buffer.from(`${EMAIL}/token:${TOKEN}`).toString("base64");

const sha256 = (data) => crypto.createHash("sha256").update(data).digest("hex");
const answer = (value) => process.stdout.write(JSON.stringify(value) + "\n");

async function play(version, steps) {
  answer({ version });
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const step = steps[line.trim()];
    try {
      answer(step ? { done: await step() } : { cannot: true });
    } catch (error) {
      console.error(error);
      answer({ failed: String(error) });
    }
  }
}

/** The steps as a hand-written script does them, by what its library offers. */
function script(version, { me, base, get, post, fetched }) {
  let url;
  const nextLink = (page) => (page.meta.has_more ? page.links.next : null);
  const pages = async (first, link, key = "tickets") => {
    const ids = [];
    for (let next = first; next; ) {
      const page = await get(next);
      ids.push(...page[key].map((record) => record.id));
      next = link(page);
    }
    return { ids };
  };
  return play(version, {
    me: async () => ({ id: (await me).user.id }),
    offset: () => pages(`${base}/api/v2/tickets.json`, (page) => page.next_page),
    cursor: () =>
      pages(`${base}/api/v2/tickets.json?page[size]=100`, nextLink),
    query: () =>
      pages(
        `${base}/api/v2/search/export.json?query=*&filter[type]=ticket&page[size]=100`,
        nextLink,
        "results",
      ),
    create: async () => ({
      id: (await post(`${base}/api/v2/tickets.json`, { ticket: TICKET })).ticket.id,
    }),
    upload: async () => {
      const file = fs.readFileSync(FILE);
      const to = `${base}/api/v2/uploads.json?filename=image.png`;
      const { upload } = await post(to, file, "image/png");
      url = upload.attachment.content_url;
      return { token: upload.token };
    },
    download: async () => ({ sha256: sha256(await fetched(url)) }),
    export: () =>
      pages(
        `${base}/api/v2/incremental/tickets/cursor.json?start_time=0&per_page=100`,
        (page) => (page.end_of_stream ? null : page.after_url),
      ),
    article: async () => {
      const { articles } = await get(`${base}/api/v2/help_center/articles.json`);
      const of = `${base}/api/v2/help_center/articles/${articles[0].id}/attachments.json`;
      const { article_attachments: files } = await get(of);
      return { sha256: sha256(await fetched(files[0].content_url)) };
    },
    recording: async () => {
      const { comments } = await get(`${base}/api/v2/tickets/4/comments.json`);
      const call = comments.find((comment) => comment.type === "VoiceComment");
      return { sha256: sha256(await fetched(call.data.recording_url)) };
    },
    job: async () => {
      const to = `${base}/api/v2/tickets/create_many.json`;
      let { job_status: job } = await post(to, { tickets: MANY });
      while (job.status !== "completed") ({ job_status: job } = await get(job.url));
      return { results: job.results.length };
    },
  });
}

module.exports = { CREDENTIAL, EMAIL, FILE, MANY, TICKET, TOKEN, header, play, printed, script };
