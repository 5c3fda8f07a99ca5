// A person at Chromium: opens a page, clicks, and reports what is on the screen after each step.
// Reads {url, steps, look, shots, planted} as JSON from standard input and writes one JSON object
// for each page to standard output. With `look` (a name), it adds an object that describes how the
// last page looks, and saves pictures of it in the folder `shots`, if given. With `planted` (a
// page), `url` shows that page first; afterwards its host name resolves to this machine.
import { chromium } from 'playwright-core';
import { text } from 'node:stream/consumers';

const { url, steps, look, shots, planted } = JSON.parse(await text(process.stdin));

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
  args: [
    // Chromium's own sandbox needs a user other than root.
    ...(process.getuid() === 0 ? ['--no-sandbox'] : []),
    '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync',
    // Other browsers allow requests to loopback that this one blocks by itself.
    '--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests',
    ...(planted ? [`--host-resolver-rules=MAP ${new URL(url).hostname} 127.0.0.1`] : []),
  ],
});

try {
  // The simulated Zendesk has a self-made certificate.
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  context.setDefaultTimeout(30_000);
  const page = await context.newPage();
  if (planted) {
    const hostile = { contentType: 'text/html', body: planted };
    await page.route(url, route => route.fulfill(hostile), { times: 1 });
  }
  let requests = [];
  let complaints = [];
  page.on('request', request => requests.push(request.resourceType()));
  page.on('console', message => complaints.push(message.text()));
  page.on('pageerror', error => complaints.push(String(error)));

  const click = decision => Promise.all([
    page.waitForNavigation(),
    page.click(`button[value=${decision}]`),
  ]).then(([response]) => response);
  let callback;
  const actions = {
    open: () => page.goto(url),
    allow: () => click('allow'),
    deny: () => click('deny'),
    reload: () => page.reload(),
    back: () => page.goBack(),
    // An intermediary replaces the login that comes back.
    'allow-tampered': async () => {
      await page.route('**/oauth/authorizations', async route => {
        const answer = await route.fetch({ maxRedirects: 0 });
        callback = new URL(answer.headers().location);
        const forged = new URL(callback);
        forged.searchParams.set('state', 'forged');
        await route.fulfill({ status: 302, headers: { location: forged.href } });
      });
      return click('allow');
    },
    // What would have come without the replaced parameters.
    callback: () => page.goto(callback.href),
    // A page that acts by itself has finished.
    done: () => page.waitForFunction(() => document.title === 'done').then(() => null),
    submit: () => Promise.all([
      page.waitForNavigation(),
      page.evaluate(() => document.forms[0].submit()),
    ]).then(([response]) => response),
  };

  for (const step of ['open', ...steps]) {
    requests = [];
    complaints = [];
    const response = await actions[step]();
    // Chromium logs every status from 400 on, which says nothing about the page.
    const own = complaints.filter(said => !said.startsWith('Failed to load resource'));
    process.stdout.write(`${JSON.stringify({
      step,
      status: response?.status(),
      title: await page.title(),
      text: await page.innerText('body'),
      requests,
      complaints: own,
      ...await structure(page),
    })}\n`);
  }
  if (look) process.stdout.write(`${JSON.stringify(await looks(page))}\n`);
} finally {
  await browser.close();
}

// What a screen reader announces.
function structure(page) {
  return page.evaluate(() => ({
    lang: document.documentElement.lang,
    headings: [...document.querySelectorAll('h1, h2')].map(heading =>
      `${heading.localName} ${heading.innerText}`),
    mains: document.querySelectorAll('main').length,
    scripts: document.scripts.length,
  }));
}

// The last page in light and dark mode, on a desktop and on a phone: the lowest contrast of its
// texts (WCAG 2.2, 1.4.3), and whether it needs horizontal scrolling.
async function looks(page) {
  const seen = {};
  for (const colorScheme of ['light', 'dark']) {
    for (const [device, width, height] of [['desk', 1280, 800], ['phone', 360, 740]]) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height });
      const window = `${device}-${colorScheme}`;
      seen[window] = await page.evaluate(measure);
      if (shots) {
        await page.screenshot({ path: `${shots}/${look}-${window}.png`, fullPage: true });
      }
    }
  }
  return seen;
}

function measure() {
  const numbers = color => color.match(/[\d.]+/g).map(Number);
  const luminance = color => {
    const [r, g, b] = numbers(color).map(value => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = element => {
    for (let at = element; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if (numbers(color)[3] !== 0) return color;
    }
    return 'rgb(255, 255, 255)';
  };
  const ratios = [...document.querySelectorAll('body *')]
    .filter(element => [...element.childNodes].some(node =>
      node.nodeType === Node.TEXT_NODE && node.data.trim()))
    .map(element => {
      const pair = [luminance(getComputedStyle(element).color), luminance(ground(element))];
      return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    });
  const root = document.documentElement;
  return {
    ground: getComputedStyle(document.body).backgroundColor,
    contrast: Math.min(...ratios),
    scrolls_sideways: root.scrollWidth > root.clientWidth,
  };
}
