// Grafana's own library of units, reducers, matchers, colors and transformations. It needs a browser, which jsdom provides.
import { createRequire } from 'node:module';
import { JSDOM } from 'jsdom';

const { window } = new JSDOM('', { url: 'http://localhost' });
window.matchMedia = () => ({ matches: false, addEventListener() {} });
for (const name of ['document', 'navigator', 'localStorage', 'HTMLElement', 'Element', 'Node', 'DOMParser']) {
  Object.defineProperty(globalThis, name, { value: window[name], configurable: true });
}
globalThis.window = window;

// Its ES modules import names that CommonJS packages do not export, so load its CommonJS build.
const data = createRequire(import.meta.url)('@grafana/data');
// A renamed transformation is registered under both names; Set removes the duplicate.
data.standardTransformersRegistry.setInit(() =>
  [...new Set(Object.values(data.standardTransformers))].map((transformation) => ({
    id: transformation.id,
    name: transformation.name,
    transformation: async () => transformation,
  }))
);

export default data;
