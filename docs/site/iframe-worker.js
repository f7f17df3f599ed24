// Search without a server: browsers start no worker for a page that was opened as a file, so here one runs in a frame.
// It takes the place of the script that Material's plugin `offline` would load from elsewhere.
if (location.protocol === "file:") {
  class IFrameWorker extends EventTarget {
    constructor(url) {
      super();
      this.onmessage = this.onerror = null;
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.appendChild(frame);
      this.frame = frame;
      const inner = frame.contentWindow;
      inner.document.open();
      inner.document.write("<html><body></body></html>");
      inner.document.close();
      inner.postMessage = (data) => {
        const message = new MessageEvent("message", { data });
        this.dispatchEvent(message);
        if (this.onmessage) this.onmessage(message);
      };
      inner.importScripts = (...names) =>
        names.reduce((before, name) => before.then(() => IFrameWorker.load(inner, name)), Promise.resolve());
      this.ready = IFrameWorker.load(inner, url);
    }

    static load(inner, name) {
      return new Promise((done, failed) => {
        const script = inner.document.createElement("script");
        script.src = String(name);
        script.onload = done;
        script.onerror = () => failed(new Error(`cannot load ${name}`));
        inner.document.body.appendChild(script);
      });
    }

    postMessage(data) {
      this.ready.then(() => {
        const inner = this.frame.contentWindow;
        inner.dispatchEvent(new inner.MessageEvent("message", { data }));
      });
    }

    terminate() {
      this.frame.remove();
    }
  }
  window.IFrameWorker = IFrameWorker; // the search looks for this name
  window.Worker = IFrameWorker;
}
