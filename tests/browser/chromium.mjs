// Drives Debian's chromium over its debugging pipe (descriptors 3 and 4, messages ended by a zero byte): plain Node,
// no packages, no port. A page that logs anything, throws, has an error event, or asks the network for anything is found out.
import {spawn} from 'node:child_process';
import {mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';

const kPatience = 120_000;  // ms for one answer: a busy machine is no reason to fail

export class Browser {
  static async start() {
    const browser = new Browser();
    browser.profile = mkdtempSync(join(tmpdir(), 'qconvert-browser-'));
    browser.process = spawn('chromium', ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-extensions',
      '--disable-background-networking', '--no-first-run', '--hide-scrollbars', '--remote-debugging-pipe', `--user-data-dir=${browser.profile}`, 'about:blank'],
    {stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe']});
    let complaints = '', rest = '';
    browser.process.stderr.on('data', (text) => { complaints += text; });
    browser.waiting = new Map();
    browser.listeners = [];
    browser.ended = new Promise((resolve) => {
      const over = (why) => {
        for (const {reject} of browser.waiting.values()) reject(new Error(`chromium ended (${why}): ${complaints.slice(-2000)}`));
        browser.waiting.clear();
        resolve();
      };
      browser.process.on('error', (error) => over(error.message));
      browser.process.on('exit', (code) => over(`exit ${code}`));
    });
    browser.process.stdio[3].on('error', () => {});
    browser.process.stdio[4].setEncoding('utf8').on('data', (text) => {
      const messages = (rest + text).split('\0');
      rest = messages.pop();
      for (const message of messages) browser.hear(JSON.parse(message));
    });
    return browser;
  }

  hear(message) {
    if (message.id === undefined) {
      for (const listener of this.listeners) listener(message);
      return;
    }
    const {resolve, reject} = this.waiting.get(message.id);
    this.waiting.delete(message.id);
    if (message.error) reject(new Error(message.error.message));
    else resolve(message.result);
  }

  send(method, params = {}, sessionId = undefined) {
    const id = (this.last = (this.last || 0) + 1);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no answer to ${method}`)), kPatience);
      const done = (then) => (value) => { clearTimeout(timer); then(value); };
      this.waiting.set(id, {resolve: done(resolve), reject: done(reject)});
      this.process.stdio[3].write(`${JSON.stringify({id, method, params, sessionId})}\0`);
    });
  }

  /// Opens a file and waits until it is drawn; `seconds` of the page says what that took. options: {width, height, dark}
  async open(path, {width = 1280, height = 900, dark = false} = {}) {
    const {targetId} = await this.send('Target.createTarget', {url: 'about:blank'});
    const {sessionId} = await this.send('Target.attachToTarget', {targetId, flatten: true});
    const page = new Page(this, sessionId, targetId);
    await page.send('Page.enable');
    await page.send('Runtime.enable');
    await page.send('Log.enable');
    await page.send('Network.enable');
    // Some errors, such as those of observers, reach neither console nor log when a debugger listens.
    await page.send('Page.addScriptToEvaluateOnNewDocument', {source: `addEventListener('error', (event) => console.error('error event: ' + event.message))`});
    await page.send('Emulation.setDeviceMetricsOverride', {width, height, deviceScaleFactor: 1, mobile: width < 600});
    await page.send('Emulation.setEmulatedMedia', {features: [{name: 'prefers-color-scheme', value: dark ? 'dark' : 'light'}]});
    await page.send('Performance.enable', {timeDomain: 'threadTicks'});
    const before = await page.busySeconds();
    const loaded = page.once('Page.loadEventFired');
    const answer = await page.send('Page.navigate', {url: `file://${path}`});
    if (answer.errorText) throw new Error(`${path}: ${answer.errorText}`);
    await loaded;
    // Two frames later plots have been drawn for the width that the layout gave them.
    await page.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))');
    page.seconds = await page.busySeconds() - before;
    return page;
  }

  async close() {
    await this.send('Browser.close').catch(() => {});
    await this.ended;
    rmSync(this.profile, {recursive: true, force: true, maxRetries: 20, retryDelay: 100});
  }
}

class Page {
  constructor(browser, sessionId, targetId) {
    Object.assign(this, {browser, sessionId, targetId, complaints: [], requests: []});
    browser.listeners.push((message) => {
      if (message.sessionId === sessionId) this.hear(message);
    });
  }
  hear({method, params}) {
    if (method === 'Runtime.consoleAPICalled') this.complaints.push(`console.${params.type}: ${params.args.map((a) => a.value ?? a.description).join(' ')}`);
    if (method === 'Runtime.exceptionThrown') this.complaints.push(`exception: ${params.exceptionDetails.exception?.description ?? params.exceptionDetails.text}`);
    if (method === 'Log.entryAdded') this.complaints.push(`${params.entry.level}: ${params.entry.text}`);
    if (method === 'Network.requestWillBeSent' && !params.request.url.startsWith('data:')) this.requests.push(params.request.url);
  }
  send(method, params) { return this.browser.send(method, params, this.sessionId); }
  once(method) {
    return new Promise((resolve) => {
      this.browser.listeners.push((message) => { if (message.sessionId === this.sessionId && message.method === method) resolve(message.params); });
    });
  }
  /// Processor time of the page's thread so far: parsing, scripts, layout. Unlike a clock it does not depend on what
  /// else the machine does.
  async busySeconds() {
    const {metrics} = await this.send('Performance.getMetrics');
    return metrics.find((metric) => metric.name === 'TaskDuration').value;
  }
  /// The value of an expression in the page; promises are awaited, exceptions thrown here.
  async evaluate(expression) {
    const {result, exceptionDetails} = await this.send('Runtime.evaluate', {expression, returnByValue: true, awaitPromise: true});
    if (exceptionDetails) throw new Error(`${expression}: ${exceptionDetails.exception?.description ?? exceptionDetails.text}`);
    return result.value;
  }
  async screenshot(whole = true) {
    const {data} = await this.send('Page.captureScreenshot', {format: 'png', captureBeyondViewport: whole});
    return Buffer.from(data, 'base64');
  }
  close() { return this.browser.send('Target.closeTarget', {targetId: this.targetId}); }
}
