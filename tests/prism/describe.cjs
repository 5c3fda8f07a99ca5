// Prepares a description for Prism, and lists every operation with a request that fits it.
//
//   node describe.cjs DESCRIPTION ORIGIN PREPARED
//
// The examples' URLs, which name a dozen made-up accounts, all point to ORIGIN, so that they are
// the account's own. Prints a JSON list of {method, path, headers, body}.
"use strict";
const fs = require("node:fs");
const { parse } = require("@stoplight/yaml");

const [, , description, origin, prepared] = process.argv;
const text = fs
  .readFileSync(description, "utf8")
  .replaceAll(/https?:\/\/(\{subdomain\}|[a-z0-9-]+)\.zendesk\.com(?=\/(api|attachments)\/)/g, origin);
const api = parse(text);
// Prism requires the kind of credential that is described; sessions are described as passwords.
for (const scheme of Object.values(api.components.securitySchemes)) {
  if (scheme.scheme === "basic") scheme.scheme = "bearer";
}
fs.writeFileSync(prepared, JSON.stringify(api));

const found = (part) =>
  part?.$ref ? found(part.$ref.split("/").slice(1).reduce((at, key) => at[key], api)) : part;

function sample(schema) {
  const it = found(schema) ?? {};
  if (it.example !== undefined) return it.example;
  if (it.default !== undefined) return it.default;
  if (it.enum) return it.enum[0];
  const choice = it.oneOf ?? it.anyOf;
  if (choice) return sample(choice[0]);
  if (it.allOf) return Object.assign({}, ...it.allOf.map(sample));
  switch (it.type) {
    case "integer":
    case "number":
      return 1;
    case "boolean":
      return true;
    case "array":
      return [sample(it.items)];
    case "string":
      return it.format === "date-time" ? "2026-01-01T00:00:00Z" : it.format === "date" ? "2026-01-01" : "x";
    default: {
      const members = {};
      for (const name of it.required ?? []) members[name] = sample(it.properties?.[name]);
      return members;
    }
  }
}

function value(parameter) {
  const { example, examples, schema } = parameter;
  const first = examples && found(Object.values(examples)[0]).value;
  const chosen = example ?? first ?? sample(schema);
  return Array.isArray(chosen) ? chosen.join(",") : String(chosen);
}

function body(operation) {
  const content = found(operation.requestBody)?.content;
  if (!content) return {};
  const [type, media] = Object.entries(content)[0];
  const given = media.example ?? (media.examples && found(Object.values(media.examples)[0]).value);
  const chosen = given ?? sample(media.schema);
  return { type, text: typeof chosen === "string" ? chosen : JSON.stringify(chosen) };
}

const operations = [];
for (const [template, item] of Object.entries(api.paths)) {
  for (const method of ["get", "post", "put", "patch", "delete"]) {
    const operation = item[method];
    if (!operation) continue;
    const parameters = [...(item.parameters ?? []), ...(operation.parameters ?? [])].map(found);
    const required = parameters.filter((p) => p.required || p.in === "path");
    let path = template;
    const query = [];
    const headers = {};
    for (const parameter of required) {
      const text = value(parameter);
      if (parameter.in === "path") {
        path = path.replaceAll(`{${parameter.name}}`, encodeURIComponent(text));
      } else if (parameter.in === "query") {
        query.push(`${encodeURIComponent(parameter.name)}=${encodeURIComponent(text)}`);
      } else if (parameter.in === "header") {
        headers[parameter.name] = text;
      }
    }
    // Parameters that the description omits.
    path = path.replaceAll(/\{[^}]*\}/g, "1");
    if (query.length) path += `?${query.join("&")}`;
    const { type, text } = body(operation);
    if (type) headers["content-type"] = type;
    operations.push({ method: method.toUpperCase(), path, headers, body: text ?? "" });
  }
}
process.stdout.write(JSON.stringify(operations));
