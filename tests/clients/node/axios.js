// A script with axios.

"use strict";
const { CREDENTIAL, EMAIL, TOKEN, header, printed, script } = require("./steps.js");

// Another version, if there is one to be tested.
const axios = process.env.AXIOS ?? "axios";
const { BASE, client, me } = printed("BASE, client, me", (code) =>
  code.replace('"axios"', JSON.stringify(axios)),
);
if (CREDENTIAL === "basic") {
  client.defaults.auth = { username: `${EMAIL}/token`, password: TOKEN };
} else {
  client.defaults.headers.common.Authorization = header();
}

script(require(axios).VERSION, {
  me,
  base: BASE,
  get: async (url) => (await client.get(url)).data,
  post: async (url, body, type = "application/json") =>
    (await client.post(url, body, { headers: { "Content-Type": type } })).data,
  fetched: async (url) => (await client.get(url, { responseType: "arraybuffer" })).data,
});
